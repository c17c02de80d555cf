"""Write the pages that files know best: docs/events.md, the settings in docs/runbook.md, the index of decisions.

Run by ``make docs``; ``tests/test_house.py`` runs it with ``--check``, which writes nothing and names the stale pages.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Final

from pydantic.fields import FieldInfo

from ghl_real_estate_ai.models.events import EVENT_TYPES, BaseEvent
from ghl_real_estate_ai.settings import Settings

ROOT: Final = Path(__file__).resolve().parent.parent
DOCS: Final = ROOT / "docs"
START: Final = "<!-- written by `make docs` -->"
END: Final = "<!-- end -->"

EVENTS_HEAD: Final = """# Events

Written by `make docs` from `ghl_real_estate_ai/models/events.py`; change the docstrings there.

Every fact that the house knows is one of these, appended once to its tenant's log and never changed
([decisions](adr/README.md)). All of them carry `event_id`, `location_id`, `occurred_at`,
`correlation_id` (shared with the delivery that caused them), `source` (the door they came in by), `simulated` (decided by the
key that signed the delivery) and, where they are about a lead, `lead_id`.
"""


def event_section(event: type[BaseEvent]) -> str:
    """One event: what it means, who publishes and hears it, and its own fields."""
    lines = [f"## {event.__name__}", "", inspect.cleandoc(event.__doc__ or ""), ""]
    types = inspect.get_annotations(event)  # as written in the source: its annotations are not evaluated
    own = {name: field for name, field in event.model_fields.items() if name in types and name != "type"}
    if own:
        lines += ["| field | type | meaning |", "|---|---|---|"]
        for name, field in own.items():
            kind = types[name].replace("|", "\\|")
            note = field.description or ("" if field.is_required() else f"default `{field.get_default()}`")
            lines.append(f"| `{name}` | `{kind}` | {note} |")
        lines.append("")
    return "\n".join(lines)


def events_page() -> str:
    """The whole of docs/events.md."""
    return "\n".join([EVENTS_HEAD, *(event_section(event) for event in EVENT_TYPES)]).rstrip() + "\n"


def variable(name: str, field: FieldInfo) -> str:
    """The environment variable of a settings field."""
    return str(field.validation_alias) if field.validation_alias else f"ENTERPRISEHUB_{name.upper()}"


def settings_table() -> str:
    """One row per environment variable: default and meaning."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        value = field.get_default(call_default_factory=True)
        if isinstance(value, tuple):
            value = ",".join(value)
        shown = f"`{value}`" if value not in ("", {}) else "empty"
        rows.append(f"| `{variable(name, field)}` | {shown} | {field.description} |")
    return "\n".join(rows)


def decision_table() -> str:
    """One row per decision, from its title (``# 0001 Title``) and its status line."""
    rows = ["| number | decision | status |", "|---|---|---|"]
    for path in sorted((DOCS / "adr").glob("[0-9]*.md")):
        text = path.read_text()
        number, _, title = text.splitlines()[0].removeprefix("# ").partition(" ")
        status = re.search(r"^Status: ([^(.\n]+)", text, re.MULTILINE)
        rows.append(f"| [{number}]({path.name}) | {title} | {status.group(1).strip() if status else '?'} |")
    return "\n".join(rows)


def filled(page: Path, table: str) -> str:
    """The page with a fresh table between its two markers."""
    head, _, rest = page.read_text().partition(START)
    _, end, tail = rest.partition(END)
    if not end:
        raise SystemExit(f"{page.relative_to(ROOT)} has lost its markers {START} ... {END}")
    return f"{head}{START}\n{table}\n{END}{tail}"


def main() -> None:
    """Write the stale pages; with ``--check`` name them and exit 1 instead."""
    runbook, decisions = DOCS / "runbook.md", DOCS / "adr" / "README.md"
    pages = {
        DOCS / "events.md": events_page(),
        runbook: filled(runbook, settings_table()),
        decisions: filled(decisions, decision_table()),
    }
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        if stale:
            raise SystemExit(
                f"stale, run `make docs`: {', '.join(str(path.relative_to(ROOT)) for path in stale)}"
            )
        return
    for path in stale:
        path.write_text(pages[path])
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
