"""The commands about the CRM: connect, doctor, import. Part of ``cli``, which adds them to ``enterprisehub``.

Each parses, calls one function below it, prints.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Annotated, Final

import typer

from ghl_real_estate_ai import bootstrap, telemetry
from ghl_real_estate_ai.bootstrap_crm import Crm
from ghl_real_estate_ai.commands import csv_import, doctor, records
from ghl_real_estate_ai.commands.connect import APP, PRIVATE_TOKEN, ConnectOptions, Connector, connect
from ghl_real_estate_ai.commands.location_setup import SetupOptions
from ghl_real_estate_ai.commands.questions import questions
from ghl_real_estate_ai.commands.terminal import (
    AsJson,
    InLocation,
    err,
    in_lines,
    out,
    progress_bar,
    show,
    with_memory,
)
from ghl_real_estate_ai.limits import INSTALL_STATE_S
from ghl_real_estate_ai.models.diagnosis import FindingStatus
from ghl_real_estate_ai.models.exports import ExportKind
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.services.crm_sync import Progress, SyncStep
from ghl_real_estate_ai.settings import load_settings

crm_app = typer.Typer()

TOKEN_ENV: Final = "ENTERPRISEHUB_GHL_TOKEN"  # noqa: S105  # reason: the name of a variable, not a token


Way = Annotated[
    bool | None, typer.Option("--app/--private-token", help="By your marketplace app, or by a private token.")
]
TokenEnv = Annotated[
    str, typer.Option(help="Environment variable that holds the private token; asked for if unset.")
]
Stages = Annotated[
    list[str] | None,
    typer.Option(help="STAGE=ROLE by id or name: new, working, appointment, won, lost, none. Repeatable."),
]
Calendars = Annotated[
    list[str] | None, typer.Option(help="Calendar to read, by id or name, or none. Repeatable.")
]
ActivityObject = Annotated[
    str | None, typer.Option(help="Schema key of the custom object with site activity, or none.")
]
NewWorkflowUrl = Annotated[
    bool | None,
    typer.Option("--new-workflow-url/--no-workflow-url", help="Make a URL for workflows; an old one ends."),
]
WriteBack = Annotated[
    str | None, typer.Option(help="What may be written into the CRM: fields,tags,tasks,notes or none.")
]
Polling = Annotated[bool | None, typer.Option(help="Read changes by API, beside webhooks.")]
History = Annotated[bool | None, typer.Option("--import/--no-import", help="Read the account's history now.")]


@crm_app.command("connect")
def connect_account(
    *,
    location: Annotated[str | None, typer.Option(help="GHL locationId; asked for if needed.")] = None,
    app: Way = None,
    token_env: TokenEnv = TOKEN_ENV,
    stage: Stages = None,
    calendar: Calendars = None,
    activity_object: ActivityObject = None,
    new_workflow_url: NewWorkflowUrl = None,
    write_back: WriteBack = None,
    polling: Polling = None,
    history: History = None,
    wait: Annotated[float, typer.Option(min=1, help="Seconds to wait for the app's page.")] = INSTALL_STATE_S,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: take what is proposed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Connect a GoHighLevel account, step by step. Again: change what is asked for, keep the rest."""
    options = ConnectOptions(
        location=location,
        token=None if app else os.environ.get(token_env) or None,
        token_env=token_env,
        way=None if app is None else APP if app else PRIVATE_TOKEN,
        setup=SetupOptions(
            stages=tuple(stage or ()),
            calendars=calendar,
            activity_object=activity_object,
            new_workflow_url=new_workflow_url,
            write_back=write_back,
            polling=polling,
        ),
        import_history=history,
        wait_s=wait,
    )

    report = _with_crm(lambda memory, crm: _connected(memory, crm, options, unattended=yes or as_json))
    shown = {name: report[name] for name in ("location_id", "name", "kind", "write_back", "imported")}
    show(
        report,
        as_json=as_json,
        line=in_lines(shown) + "\nnext: `enterprisehub serve`, `enterprisehub doctor`",
    )


async def _connected(
    memory: Memory, crm: Crm, options: ConnectOptions, *, unattended: bool
) -> dict[str, object]:
    settings = load_settings()
    parts = Connector(
        memory=memory,
        connections=crm.connections,
        account=crm.account,
        sync=crm.sync,
        gateway_url=settings.gateway_url,
        callback_url=settings.oauth_callback_url,
    )
    with _import_bar() as progress:
        return await connect(
            parts,
            options,
            ask=questions(unattended=unattended),
            say=lambda line: err.print(line, highlight=False, markup=False, soft_wrap=True),
            progress=progress,
            waiting=err.status,
        )


@crm_app.command("doctor")
def examine(*, location: InLocation = None, as_json: AsJson = False) -> None:
    """Say how each connected location is doing, what is wrong and how to mend it. Exit code 1 on a failure."""
    found = _with_crm(lambda memory, crm: doctor.examine(memory, crm.health, location))
    if as_json:
        show(doctor.as_dict(found), as_json=True, line="")
    else:
        for line in chain.from_iterable(doctor.lines(diagnosis) for diagnosis in found):
            out.print(line, soft_wrap=True)
    if doctor.worst(found) is FindingStatus.FAILURE:
        raise typer.Exit(1)


@crm_app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A CSV export of contacts or opportunities.")],
    *,
    location: InLocation = None,
    kind: Annotated[ExportKind | None, typer.Option(help="By its header, if left out.")] = None,
    zone: Annotated[str, typer.Option(help="Zone of times that name none, e.g. America/Chicago.")] = "UTC",
    stage: Annotated[
        list[str] | None, typer.Option(help="NAME=ROLE: new, working, appointment, won, lost. Repeatable.")
    ] = None,
    rejects: Annotated[
        Path | None, typer.Option(help="Where refused rows go; beside the file if left out.")
    ] = None,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="The people in it are not real: say so.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take in a file that GoHighLevel exported, for accounts without API access. The same file twice adds nothing."""
    settings = load_settings()
    reader = bootstrap.export_reader(settings)
    roles = csv_import.roles_of(stage or ())
    with progress_bar("importing") as bar:
        task = bar.add_task("importing", total=None)

        async def go(memory: Memory) -> tuple[csv_import.CsvImport, csv_import.Summary]:
            job = csv_import.CsvImport(
                file=file,
                location_id=await records.the_location(memory, location),
                kind=kind,
                zone=zone,
                stages=roles,
                rejects=rejects,
                simulated=simulated,
            )
            summary = await csv_import.take_in(
                memory,
                reader,
                job,
                clock=bootstrap.SystemClock(),
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
            return job, summary

        job, summary = with_memory(go)
    show(summary.as_dict(), as_json=as_json, line="\n".join(summary.lines(job)))


def _with_crm[T](work: Callable[[Memory, Crm], Coroutine[object, object, T]]) -> T:
    """Run one coroutine on the configured database and CRM."""
    settings = load_settings()
    telemetry.configure_logging(level="WARNING", as_json=settings.log_json)

    async def go() -> T:
        async with bootstrap.connected(settings) as (memory, _, crm):
            return await work(memory, crm)

    return asyncio.run(go())


@contextmanager
def _import_bar() -> Iterator[Progress]:
    """A bar that begins with the first page: before it, questions are asked."""
    bar = progress_bar("reading history")
    task = bar.add_task("reading", total=None)

    def advance(step: SyncStep) -> None:
        bar.start()
        bar.update(task, completed=step.items_so_far, total=step.total)

    try:
        yield advance
    finally:
        bar.stop()
