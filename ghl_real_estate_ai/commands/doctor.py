"""Look at every connected location, say what is wrong and how to mend it. Called by ``enterprisehub doctor``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.models.diagnosis import Diagnosis, FindingStatus, worst_of
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.services.crm_health import CrmHealth

_WORST_FIRST: Final = (
    FindingStatus.FAILURE,
    FindingStatus.WARNING,
    FindingStatus.OK,
    FindingStatus.UNKNOWN,
)
_COLOURS: Final = {
    FindingStatus.FAILURE: "red",
    FindingStatus.WARNING: "yellow",
    FindingStatus.OK: "green",
    FindingStatus.UNKNOWN: "dim",
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


def lines(diagnosis: Diagnosis) -> list[Text]:
    """One location's findings, the worst first; a line each, and one for what to do."""
    written = [Text(f"location {diagnosis.location_id}", style="bold")]
    for finding in sorted(diagnosis.findings, key=lambda one: _WORST_FIRST.index(one.status)):
        status = Text(f"{finding.status.value:8}", style=_COLOURS[finding.status])
        written.append(Text.assemble(status, f" {finding.check:18} {finding.what}"))
        if finding.fix is not None:
            written.append(Text(f"{'':8} {'':18} -> {finding.fix}"))
    return written


def as_dict(diagnoses: Sequence[Diagnosis]) -> dict[str, object]:
    """For --json."""
    return {
        "status": worst(diagnoses).value,
        "locations": [diagnosis.model_dump(mode="json") for diagnosis in diagnoses],
    }
