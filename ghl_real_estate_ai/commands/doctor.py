"""Look at every connected location, say what is wrong and how to mend it. Called by ``enterprisehub doctor``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.markup import escape
from rich.table import Table

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.models.diagnosis import Diagnosis, Finding, FindingStatus, worst_of
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.services.crm_health import CrmHealth

_MARKS: Final = {
    FindingStatus.OK: "[green]ok[/]",
    FindingStatus.WARNING: "[yellow]warning[/]",
    FindingStatus.FAILURE: "[red]failure[/]",
    FindingStatus.UNKNOWN: "[dim]unknown[/]",
}


async def examine(memory: Memory, health: CrmHealth, location: str | None) -> list[Diagnosis]:
    """The named location, or all that are served. Raises InputError when there is none."""
    places = [place.location_id for place in await memory.read(lambda uow: uow.tenants.locations())]
    if location is not None and location not in places:
        raise InputError(
            f"location {location!r} is not served; `enterprisehub connect --location {location}` adds it"
        )
    if not places:
        raise InputError("no location yet; `enterprisehub connect` adds one")
    chosen = places if location is None else [LocationId(location)]
    return [await health.examined(one) for one in chosen]


def worst(diagnoses: Sequence[Diagnosis]) -> FindingStatus:
    """The most severe of all."""
    return worst_of(diagnosis.worst for diagnosis in diagnoses)


def table(diagnosis: Diagnosis) -> Table:
    """One location's findings, the worst first."""
    order = [FindingStatus.FAILURE, FindingStatus.WARNING, FindingStatus.OK, FindingStatus.UNKNOWN]
    drawn = Table(
        "check", "", "what", "what to do", title=f"location {diagnosis.location_id}", show_lines=False
    )
    for finding in sorted(diagnosis.findings, key=lambda one: order.index(one.status)):
        drawn.add_row(*_cells(finding))
    return drawn


def as_dict(diagnoses: Sequence[Diagnosis]) -> dict[str, object]:
    """For --json."""
    return {
        "status": worst(diagnoses).value,
        "locations": [diagnosis.model_dump(mode="json") for diagnosis in diagnoses],
    }


def _cells(finding: Finding) -> tuple[str, str, str, str]:
    return finding.check, _MARKS[finding.status], escape(finding.what), escape(finding.fix or "")
