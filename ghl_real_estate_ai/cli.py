"""The command ``enterprisehub``. Each command parses, calls one function below it, prints. Errors are one line with the fix.

Heavy libraries are imported inside the commands that need them: ``user add`` must not wait for a web server's imports.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.markup import escape
from rich.table import Table

from ghl_real_estate_ai import __version__, bootstrap
from ghl_real_estate_ai.cli_crm import crm_app
from ghl_real_estate_ai.cli_learning import learning_app
from ghl_real_estate_ai.cli_measuring import measuring_app
from ghl_real_estate_ai.cli_switches import switch_app
from ghl_real_estate_ai.commands import records
from ghl_real_estate_ai.commands.terminal import (
    AsJson,
    InLocation,
    ask_password,
    err,
    in_lines,
    out,
    progress_bar,
    show,
    with_memory,
)
from ghl_real_estate_ai.errors import EnterpriseHubError, InputError
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.leads import Location, Role, User
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.settings import load_settings

app = typer.Typer(
    help="Real-time lead intelligence beside GoHighLevel.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
user_app = typer.Typer(help="Who may sign in.", no_args_is_help=True)
location_app = typer.Typer(help="Which GHL locations are served.", no_args_is_help=True)
lead_app = typer.Typer(help="A lead's right to its data: export and erasure.", no_args_is_help=True)
app.add_typer(user_app, name="user")
app.add_typer(location_app, name="location")
app.add_typer(lead_app, name="lead")
app.add_typer(switch_app, name="switch")
app.add_typer(crm_app)
app.add_typer(learning_app)
app.add_typer(measuring_app)


@app.callback(invoke_without_command=True)
def version(*, wanted: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Real-time lead intelligence beside GoHighLevel."""
    if wanted:
        out.print(__version__)
        raise typer.Exit


# --- running ------------------------------------------------------------------------------------------------------


@app.command()
def serve(
    *,
    dashboard: Annotated[bool, typer.Option(help="Serve the screens too, as a second process.")] = True,
    role: Annotated[
        bootstrap.ProcessRole,
        typer.Option(help="Several processes share the work by Redis: what this one does."),
    ] = bootstrap.ProcessRole.ALL,
) -> None:
    """Serve the gateway and the dashboard until Ctrl-C."""
    from ghl_real_estate_ai.commands import launch

    settings = load_settings()
    launch.refuse_taken_port(settings)
    if not role.shows:
        err.print(f"worker     health and metrics on port {settings.port}", highlight=False)
        launch.serve(settings, with_dashboard=False, role=role)
        return
    err.print(f"gateway    {settings.gateway_url}", highlight=False)
    if settings.public_url_is_missing:
        err.print(
            "browsers on other machines need ENTERPRISEHUB_PUBLIC_URL, e.g. https://hub.example.com",
            highlight=False,
        )
    why_not = launch.why_no_dashboard(settings) if dashboard else None
    if why_not:
        err.print(f"dashboard  not served: {why_not}", highlight=False)
    elif dashboard:
        err.print(f"dashboard  {settings.dashboard_url}", highlight=False)
    launch.serve(settings, with_dashboard=dashboard and not why_not, role=role)


@app.command()
def dashboard() -> None:
    """Serve the dashboard alone, for a gateway that runs elsewhere."""
    from ghl_real_estate_ai.commands import launch

    launch.become_dashboard(load_settings())


@app.command()
def demo(
    *,
    speed: Annotated[float, typer.Option(min=1, help="Simulated seconds per second.")] = 240.0,
    leads: Annotated[int, typer.Option(min=5, help="Leads of the simulated brokerage at the start.")] = 250,
    seed: Annotated[int, typer.Option(help="The same seed gives the same city.")] = 7,
    data_dir: Annotated[
        Path | None, typer.Option(help="Keep the demo's data here; else it is deleted at the end.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=1, help="Stop by itself after this long.")] = None,
    dashboard: Annotated[bool, typer.Option(help="Serve the screens too.")] = True,
) -> None:
    """Show a live simulated brokerage: real webhooks, real scores, real screens. No key, no account."""
    from ghl_real_estate_ai.commands import showcase

    showcase.demo(
        showcase.DemoOptions(
            speed=speed, leads=leads, seed=seed, data_dir=data_dir, seconds=seconds, dashboard=dashboard
        ),
        say=lambda line: err.print(line, highlight=False),
    )


@app.command()
def simulate(
    *,
    gateway: Annotated[
        str | None, typer.Option(help="URL of the gateway; the configured one if left out.")
    ] = None,
    location: Annotated[
        str, typer.Option(help="locationId to report on; must be served by the gateway.")
    ] = "simulated-city",
    speed: Annotated[
        float, typer.Option(min=0, help="Simulated seconds per second; 0 = as fast as the gateway takes it.")
    ] = 600.0,
    leads: Annotated[int, typer.Option(min=1)] = 60,
    seed: Annotated[int, typer.Option()] = 7,
    days: Annotated[float, typer.Option(min=0.1, help="Simulated days to run.")] = 60.0,
    history_days: Annotated[float, typer.Option(min=0, help="Days of history sent first, unpaced.")] = 21.0,
    truth: Annotated[
        Path | None, typer.Option(help="Write the hidden truth of each lead here, as JSON lines.")
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(help="Send this event log (CSV or Parquet) instead of a city.")
    ] = None,
    map_file: Annotated[
        Path | None, typer.Option("--map", help="TOML map from the log's columns to GHL events.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="With --replay: only the first rows.")] = None,
    api_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Serve the account's API too, on this port, until Ctrl-C."),
    ] = None,
    webhooks: Annotated[
        bool, typer.Option(help="With --api-port: send webhooks too; without, an account to be polled.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Be GoHighLevel: send signed webhooks of a simulated city, or of a real event log, to a gateway.

    The gateway must trust the simulator's key: a refused run prints the setting to start the gateway with.
    """
    from ghl_real_estate_ai.commands import fake_account, showcase

    settings = load_settings()
    if api_port is not None and (replay is not None or truth is not None):
        raise InputError("--api-port serves a city's account; --replay and --truth go without it")
    if (replay is None) != (map_file is None):
        raise InputError("--replay and --map go together: the log, and the TOML map that reads it")
    source = showcase.Source(gateway or settings.gateway_url, location, speed, settings.data_dir)
    city = showcase.CityOptions(seed=seed, leads=leads, days=days, history_days=history_days)
    if api_port is not None:
        served = fake_account.options_of(source, city, port=api_port, webhooks=webhooks)
        fake_account.serve_fake_account(
            served, say=lambda line: err.print(line, highlight=False, soft_wrap=True)
        )
        return
    with _progress_of("sending") as advance:
        if replay is not None and map_file is not None:
            work = showcase.replay_log(source, replay, map_file, limit=limit, progress=advance)
        else:
            work = showcase.simulate_city(settings, source, city, truth=truth, progress=advance)
        tally = asyncio.run(work)
    show(tally, as_json=as_json, line=in_lines(tally))


@contextmanager
def _progress_of(what: str) -> Iterator[Callable[[int, int | None], None]]:
    with progress_bar(what) as progress:
        task = progress.add_task(what, total=None)

        def advance(done: int, total: int | None) -> None:
            progress.update(task, completed=done, total=total)

        yield advance


# --- replay ----------------------------------------------------------------------------------------------------------


@app.command()
def replay(
    *,
    location: InLocation = None,
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild",
            help="Write the states that differ. Stop the gateway first: it keeps leads in memory.",
        ),
    ] = False,
    dead_letters: Annotated[
        bool, typer.Option("--dead-letters", help="Try every dead letter again.")
    ] = False,
    retranslate: Annotated[
        bool,
        typer.Option(
            "--retranslate", help="Read kept vendor events again, after an upgrade that understands more."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Replay the log into fresh lead states and compare them with the stored ones; or retry what was set aside."""
    if rebuild + dead_letters + retranslate > 1:
        raise InputError("--rebuild, --dead-letters and --retranslate are three errands; give one of them")
    if dead_letters and location is not None:
        raise InputError("--dead-letters goes over every location; leave --location out")
    settings = load_settings()
    reader = bootstrap.webhook_reader(settings)
    if dead_letters:
        result = with_memory(lambda memory: records.retry_dead_letters(memory, reader))
        show(
            result,
            as_json=as_json,
            line=f"{result['revived']} of {result['dead_letters']} dead letters revived",
        )
        return
    with progress_bar("replaying") as progress:
        task = progress.add_task("replaying", total=None)

        async def go(memory: Memory) -> dict[str, object]:
            place = await records.the_location(memory, location)
            if retranslate:
                return await records.retranslate(memory, reader, place)
            done = await records.rebuild(
                memory, place, write=rebuild, progress=lambda: progress.advance(task)
            )
            return done.as_dict()

        result = with_memory(go)
    show(result, as_json=as_json, line="  ".join(f"{name}={value}" for name, value in result.items()))


# --- people, places, leads ----------------------------------------------------------------------------------------


@location_app.command("add")
def location_add(
    location_id: str,
    *,
    name: Annotated[str, typer.Option(help="What screens call it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Serve a GHL location: deliveries of others are not stored."""
    place = Location(location_id=LocationId(location_id), name=name or location_id)
    with_memory(lambda memory: records.add_location(memory, place))
    show(place.model_dump(mode="json"), as_json=as_json, line=f"serving {place.name} ({place.location_id})")


@location_app.command("list")
def location_list(*, as_json: AsJson = False) -> None:
    """The locations that are served."""
    places = with_memory(lambda memory: memory.read(lambda uow: uow.tenants.locations()))
    table = Table("location", "name")
    for place in places:
        table.add_row(escape(place.location_id), escape(place.name))
    if as_json:
        show({"locations": [place.model_dump(mode="json") for place in places]}, as_json=True, line="")
    elif places:
        out.print(table)
    else:
        out.print("no location yet: `enterprisehub location add ID --name NAME`", highlight=False)


@user_app.command("list")
def user_list(*, location: InLocation = None, as_json: AsJson = False) -> None:
    """Who may sign in."""

    async def go(memory: Memory) -> list[User]:
        place = await records.the_location(memory, location)
        return await memory.read(lambda uow: uow.tenants.users(place))

    users = with_memory(go)
    lines = [f"{user.email}  {user.role}  {user.name}" for user in users]
    show(
        {"users": [user.model_dump(mode="json") for user in users]},
        as_json=as_json,
        line="\n".join(lines) or "nobody yet: `enterprisehub user add EMAIL`",
    )


@user_app.command("add")
def user_add(
    email: str,
    *,
    role: Annotated[Role, typer.Option(help="What the user may do.")] = Role.AGENT,
    location: InLocation = None,
    name: Annotated[str, typer.Option()] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Give an existing user this name, role and password.")
    ] = False,
    password_env: Annotated[
        str, typer.Option(help="Environment variable that holds the password; asked for if unset.")
    ] = "ENTERPRISEHUB_PASSWORD",  # noqa: S107  # reason: the name of a variable, not a password
    as_json: AsJson = False,
) -> None:
    """Add somebody who may sign in. The password is never an argument: it would stay in the shell's history."""
    password = os.environ.get(password_env) or ask_password(email, password_env)

    async def go(memory: Memory) -> dict[str, object]:
        place = await records.the_location(memory, location)
        user = await records.add_user(
            memory,
            location_id=place,
            email=email,
            name=name,
            role=role,
            password=password,
            replace=replace,
        )
        return user.model_dump(mode="json")

    added = with_memory(go)
    show(
        added,
        as_json=as_json,
        line=f"{added['email']} may sign in as {added['role']} of {added['location_id']}",
    )


@lead_app.command("export")
def lead_export(
    lead_id: str,
    *,
    location: InLocation = None,
    file: Annotated[Path | None, typer.Option("--out", help="Write here instead of standard output.")] = None,
) -> None:
    """Everything that is held about a lead, as JSON."""

    async def go(memory: Memory) -> dict[str, object]:
        return await records.export_lead(
            memory, await records.the_location(memory, location), LeadId(lead_id)
        )

    text = json.dumps(with_memory(go), indent=2, default=str) + "\n"
    if file is None:
        sys.stdout.write(text)
        return
    file.touch(mode=0o600)
    file.write_text(text)
    err.print(f"written to {file}", highlight=False)


@lead_app.command("forget")
def lead_forget(
    lead_id: str,
    *,
    location: InLocation = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase a lead's personal data from every table and the log. There is no undo; export first if in doubt."""
    if not yes and not typer.confirm(f"erase everything about lead {lead_id} for good?"):
        raise typer.Exit(1)

    async def go(memory: Memory) -> dict[str, object]:
        return await records.forget_lead(
            memory, await records.the_location(memory, location), LeadId(lead_id)
        )

    result = with_memory(go)
    show(
        result,
        as_json=as_json,
        line=f"forgotten: {result['log_rows_scrubbed']} log rows scrubbed, lead row deleted",
    )


def _fail(message: str) -> NoReturn:
    err.print(f"enterprisehub: {message}", highlight=False, markup=False, soft_wrap=True)  # a key stays whole
    sys.exit(1)


def main() -> None:
    """Entry point: every expected error is one line on stderr and exit code 1."""
    try:
        app()
    except EnterpriseHubError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
