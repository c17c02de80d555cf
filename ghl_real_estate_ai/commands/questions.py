"""Questions to a person at a terminal; where there is none, the answer that was given as an option, or its default.

Called by connect.py and location_setup.py, so that every guided step runs in a script and in a test too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Protocol

import typer

from ghl_real_estate_ai.errors import InputError


class Questions(Protocol):
    """Who answers."""

    def text(self, question: str, *, default: str | None, option: str) -> str:
        """A line; ``option`` is how a script says it."""
        ...

    def secret(self, question: str, *, option: str) -> str:
        """A line that is not shown."""
        ...

    def agree(self, question: str, *, default: bool) -> bool:
        """Yes or no."""
        ...

    def choose(self, question: str, choices: Sequence[str], *, default: str) -> str:
        """One of the choices."""
        ...


class AtTerminal:
    """Asks on stderr, so that stdout holds the result alone."""

    def text(self, question: str, *, default: str | None, option: str) -> str:
        """Enter takes the default."""
        return str(typer.prompt(question, default=default, err=True)).strip()

    def secret(self, question: str, *, option: str) -> str:
        """Nothing is echoed."""
        return str(typer.prompt(question, hide_input=True, err=True)).strip()

    def agree(self, question: str, *, default: bool) -> bool:
        """Enter takes the default."""
        return typer.confirm(question, default=default, err=True)

    def choose(self, question: str, choices: Sequence[str], *, default: str) -> str:
        """Asks again until it is one of them."""
        while True:
            answer = self.text(f"{question} ({', '.join(choices)})", default=default, option="")
            if answer in choices:
                return answer


class Unattended:
    """Takes every default; what has none must be an option."""

    def text(self, question: str, *, default: str | None, option: str) -> str:
        """Raises InputError naming the option."""
        if default is None:
            raise InputError(f"no terminal to ask for: {question}; give {option}")
        return default

    def secret(self, question: str, *, option: str) -> str:
        """Raises InputError naming the option."""
        raise InputError(f"no terminal to ask for: {question}; set {option}")

    def agree(self, question: str, *, default: bool) -> bool:
        """The default."""
        return default

    def choose(self, question: str, choices: Sequence[str], *, default: str) -> str:
        """The default."""
        return default


def questions(*, unattended: bool) -> Questions:
    """A person's, if there is one and nobody said otherwise."""
    return Unattended() if unattended or not sys.stdin.isatty() else AtTerminal()
