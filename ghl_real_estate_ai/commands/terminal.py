"""Speaking with a person at a terminal, or with a script: options, progress, results, questions. Called by ``cli.py``."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ghl_real_estate_ai import bootstrap, telemetry
from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.settings import load_settings

out = Console()
err = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for a script.")]
InLocation = Annotated[
    str | None, typer.Option("--location", help="GHL locationId; not needed while there is only one.")
]


def progress_bar(description: str) -> Progress:
    """A bar on stderr; nothing where nobody looks."""
    columns = (TextColumn(description), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)


def with_memory[T](work: Callable[[Memory], Coroutine[object, object, T]]) -> T:
    """Run one coroutine on the configured database."""
    settings = load_settings()
    telemetry.configure_logging(level="WARNING", as_json=settings.log_json)

    async def go() -> T:
        async with bootstrap.opened(settings) as memory:
            return await work(memory)

    return asyncio.run(go())


def show(data: dict[str, object], *, as_json: bool, line: str) -> None:
    """Print data as JSON, or a line for a person."""
    if as_json:
        sys.stdout.write(json.dumps(data, indent=2, default=str) + "\n")
    else:
        out.print(line, highlight=False, markup=False, soft_wrap=True)


def in_lines(data: Mapping[str, object], indent: str = "") -> str:
    """Nested counts as lines for a person; what is zero is left out."""
    lines = []
    for name, value in data.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{name}", in_lines(value, indent + "  ")] if value else []
        elif value not in (0, None):
            lines.append(f"{indent}{name}: {value}")
    return "\n".join(lines)


def ask_password(email: str, password_env: str) -> str:
    """Asked for twice: a slip of the hand would lock the user out."""
    if not sys.stdin.isatty():
        raise InputError(f"no terminal to ask for the password; set {password_env}")
    password = getpass.getpass(f"password for {email}: ")
    if getpass.getpass("once more: ") != password:
        raise InputError("the two passwords differ; try again")
    return password
