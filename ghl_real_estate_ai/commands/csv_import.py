"""Take in a file that the CRM exported: for accounts without API access. Called by ``enterprisehub import``.

Rows that cannot be read are counted, and written with the reason to a file of their own; the others are not held up.
"""

from __future__ import annotations

import contextlib
import csv
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from typing import IO, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ghl_real_estate_ai.crm_ports import ExportReader
from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.limits import CSV_BATCH_ROWS
from ghl_real_estate_ai.models.crm_account import proposed_role
from ghl_real_estate_ai.models.events import RecordedEvent
from ghl_real_estate_ai.models.exports import ExportKind, ExportLayout, ExportRow, RefusedRow
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import StageRole
from ghl_real_estate_ai.ports import Clock, Memory, UnitOfWork
from ghl_real_estate_ai.services.admission import admit_page

REFUSALS_SHOWN: Final = 10
"""Refused rows that the summary names; the rejects file holds them all."""


@dataclass(frozen=True, kw_only=True)
class CsvImport:
    """What is to be taken in, and how."""

    file: Path
    location_id: LocationId
    kind: ExportKind | None = None
    zone: str = "UTC"
    stages: Mapping[str, StageRole] = field(default_factory=dict)
    rejects: Path | None = None
    simulated: bool = False

    @property
    def rejects_file(self) -> Path:
        """Where refused rows go: beside the file, unless told."""
        return self.rejects or self.file.with_name(f"{self.file.stem}.rejects.csv")


@dataclass
class Summary:
    """What became of a file."""

    layout: ExportLayout
    rows: int = 0
    events: Counter[str] = field(default_factory=Counter)
    refused: list[RefusedRow] = field(default_factory=list)
    refusals: int = 0
    ids_derived: int = 0
    times_missing: int = 0
    users_named: int = 0
    stages_by_name: set[str] = field(default_factory=set)

    def note(self, row: ExportRow) -> None:
        """Count a row."""
        self.rows += 1
        self.ids_derived += row.id_was_derived
        self.times_missing += row.time_was_missing
        self.users_named += row.user_was_named
        if row.role_by_name is not None:
            self.stages_by_name.add(row.role_by_name)
        if row.refused is not None:
            self.refusals += 1
            if len(self.refused) < REFUSALS_SHOWN:
                self.refused.append(row.refused)

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        return {
            "file": str(self.layout.file),
            "kind": self.layout.kind.value,
            "rows": self.rows,
            "events": {"stored": 0, "duplicate": 0, **self.events},
            "refused": self.refusals,
            "first_refusals": [refused.model_dump() for refused in self.refused],
            "columns_used": {name: self.layout.header[place] for name, place in self.layout.columns.items()},
            "columns_ignored": list(self.layout.ignored),
            "ids_derived": self.ids_derived,
            "times_missing": self.times_missing,
            "users_named": self.users_named,
            "stages_read_by_name": {
                name: (role.value if (role := proposed_role(name)) else None)
                for name in sorted(self.stages_by_name)
            },
        }

    def lines(self, job: CsvImport) -> list[str]:
        """For a person: what came in, what did not, and what was assumed."""
        stored, known = self.events["stored"], self.events["duplicate"]
        lines = [
            f"{self.rows} rows of {self.layout.kind.value}, {self.refusals} of them refused",
            f"{stored} events stored, {known} known already, {self.events['ignored']} about forgotten leads",
            f"times without a zone were read as {job.zone} (--zone changes it)",
        ]
        if self.layout.ignored:
            lines.append(f"nothing is taken from: {', '.join(self.layout.ignored)}")
        if self.ids_derived:
            lines.append(
                f"{self.ids_derived} rows have no Contact Id: their lead's id was made of email or phone, so webhooks "
                "and API, which use the Contact Id, will not join them"
            )
        if self.times_missing:
            lines.append(
                f"{self.times_missing} rows have no date: the file's own ({self.layout.written_at:%Y-%m-%d}) holds"
            )
        if self.users_named:
            lines.append(
                f"{self.users_named} rows name their agent: a name is no user id, so nobody is assigned by it"
            )
        for name in sorted(self.stages_by_name):
            meaning = proposed_role(name) or "not known"
            lines.append(
                f"stage {name!r} was read by its name as: {meaning} (--stage '{name}=ROLE' says otherwise)"
            )
        lines += [f"row {bad.row}, {bad.field}: {bad.fix}" for bad in self.refused]
        if self.refusals:
            lines.append(f"all refused rows, with the reason: {job.rejects_file}")
        return lines


def roles_of(said: Sequence[str]) -> dict[str, StageRole]:
    """``NAME=ROLE`` as a map."""
    roles: dict[str, StageRole] = {}
    for one in said:
        name, _, role = (part.strip() for part in one.rpartition("="))
        if not name or role not in set(StageRole):
            raise InputError(f"--stage {one!r}: write NAME=ROLE, with a role of {', '.join(StageRole)}")
        roles[name] = StageRole(role)
    return roles


def zone_of(name: str) -> tzinfo:
    """A time zone by its IANA name."""
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(
            f"--zone {name!r} is no time zone; use an IANA name such as America/Chicago"
        ) from None


async def take_in(
    memory: Memory,
    reader: ExportReader,
    job: CsvImport,
    *,
    clock: Clock,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Summary:
    """Read the file row by row into the log. ``progress`` hears rows read, and about how many there are."""
    layout = reader.layout(job.file, kind=job.kind)
    simulated, mapped = await memory.read(lambda uow: _known_of(uow, job.location_id))
    summary = Summary(layout)
    rows = reader.rows(
        layout,
        location_id=job.location_id,
        zone=zone_of(job.zone),
        stages=mapped | {name.casefold(): role for name, role in job.stages.items()},
        simulated=job.simulated or simulated,
        received_at=clock.now(),
    )
    with contextlib.closing(_Rejects(job.rejects_file, layout)) as rejects:
        for batch in itertools.batched(rows, CSV_BATCH_ROWS):
            for row in batch:
                summary.note(row)
                if row.refused is not None:
                    rejects.add(row, row.refused)
            summary.events.update(await _store(memory, batch))
            progress(summary.rows, layout.rows)
    return summary


async def _store(memory: Memory, batch: tuple[ExportRow, ...]) -> Counter[str]:
    """One transaction; how many events of each outcome."""

    def change(uow: UnitOfWork) -> Counter[str]:
        admitted = admit_page(uow, [delivery for row in batch for delivery in row.deliveries])
        return Counter("stored" if isinstance(one, RecordedEvent) else one.outcome.value for one in admitted)

    return await memory.write(change)


def _known_of(uow: UnitOfWork, location_id: LocationId) -> tuple[bool, dict[str, StageRole]]:
    """Whether the account's API is a simulator's, whose files are simulated too; and what its owner said of stages."""
    connection, setup = uow.connections.get(location_id), uow.connections.setup(location_id)
    return connection is not None and connection.simulated, {} if setup is None else dict(setup.stages)


class _Rejects:
    """The file of refused rows, readable by its owner only. Made at the first of them; what an earlier import left goes."""

    def __init__(self, file: Path, layout: ExportLayout) -> None:
        """Raises InputError when it would replace the import itself."""
        if file.resolve() == layout.file.resolve():
            raise InputError("--rejects: name another file than the one that is imported")
        file.unlink(missing_ok=True)
        self._file = file
        self._layout = layout
        self._opened: IO[str] | None = None

    def add(self, row: ExportRow, refused: RefusedRow) -> None:
        """The row as it came, behind its number, the field and the fix."""
        if self._opened is None:
            self._file.touch(mode=0o600)
            self._opened = self._file.open("w", encoding="utf-8", newline="")
            csv.writer(self._opened).writerow(("row", "field", "fix", *self._layout.header))
        csv.writer(self._opened).writerow((refused.row, refused.field, refused.fix, *row.cells))

    def close(self) -> None:
        """Everything is on disk."""
        if self._opened is not None:
            self._opened.close()
