"""The look of the page around the live screen and of the sign-in form. Called by ``streamlit_components/app.py``."""

from __future__ import annotations

from typing import Final

PAGE_STYLE: Final = """
<style>
  [data-testid="stHeader"], [data-testid="stToolbar"], [data-testid="stDecoration"] { display: none; }
  [data-testid="stMainBlockContainer"] { padding: 0; max-width: 100%; }
  [data-testid="stMain"] { scrollbar-gutter: auto; }
  [data-testid="stFormSubmitButton"] button:is(*, :hover, :focus, :active) {
    background: light-dark(#0a5aa8, #74b6ff); border-color: transparent; color: light-dark(#fff, #06182b);
  }
  .st-key-sign_in { max-width: 24rem; margin: 12vh auto 0; padding: 0 1rem; }
  .st-key-record_page button[data-testid="stBaseButton-segmented_controlActive"]:is(*, :hover, :focus) {
    background: light-dark(#e6f0fa, #14283d); border-color: light-dark(#0a5aa8, #74b6ff); color: light-dark(#0a5aa8, #74b6ff);
  }
  .st-key-record_page { max-width: 72rem; margin: 0 auto; padding: 1rem; }
  [data-testid="stElementContainer"]:has(style) { display: none; }
</style>
"""
"""Full bleed for the live screen, a narrow column for the sign-in form."""
