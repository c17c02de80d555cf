"""Public data that is not part of the project: where it lies, and the reason to skip where it does not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
DATA: Final = Path(os.environ.get("ENTERPRISEHUB_DATA", ROOT.parent / "shared" / "data"))


def public_data(name: str) -> Path:
    """The file, e.g. ``cdnow/cdnow_others_21213.csv``; the test is skipped where it is absent. Mark such tests ``data``."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"no public data at {path}; set ENTERPRISEHUB_DATA")
    return path
