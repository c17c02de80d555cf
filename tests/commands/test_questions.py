"""Questions as a person at a terminal sees them, and what a script gets instead."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from ghl_real_estate_ai.commands.questions import AtTerminal, Unattended
from ghl_real_estate_ai.errors import InputError

asking = typer.Typer()


@asking.command()
def ask() -> None:
    person = AtTerminal()
    answers = [
        person.text("Place", default="loc-1", option="--location"),
        person.secret("Token", option="TOKEN"),
        person.agree("Sure?", default=True),
        person.choose("Meaning", ("new", "won"), default="new"),
    ]
    typer.echo(json.dumps(answers))


def test_enter_takes_the_default_and_a_wrong_choice_is_asked_again() -> None:
    result = CliRunner().invoke(asking, input="\nsecret-9\n\nnonsense\nwon\n")
    assert json.loads(result.stdout.splitlines()[-1]) == ["loc-1", "secret-9", True, "won"]
    assert result.stderr.count("Meaning (new, won)") == 2
    assert "secret-9" not in result.stderr


def test_a_script_gets_defaults_and_is_told_the_option_of_what_has_none() -> None:
    script = Unattended()
    assert script.agree("Sure?", default=False) is False
    assert script.choose("Meaning", ("new", "won"), default="new") == "new"
    with pytest.raises(InputError, match="give --location"):
        script.text("Place", default=None, option="--location")
    with pytest.raises(InputError, match="set TOKEN"):
        script.secret("Token", option="TOKEN")
