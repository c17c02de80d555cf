"""connect, doctor and import as a person or a script runs them: real SQLite, a fake GoHighLevel behind real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ghl_real_estate_ai import cli
from ghl_real_estate_ai.errors import EnterpriseHubError
from tests.support.fake_ghl import FakeGhl, fake_ghl_in_thread

TOKEN = "ENTERPRISEHUB_GHL_TOKEN"


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeGhl]:
    with fake_ghl_in_thread(limits=True) as running:
        running.home.put_contact({"firstName": "Ana"}, at=running.vendor.clock.now())
        yield running


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake: FakeGhl) -> Path:
    """An installation of its own beside the fake account."""
    monkeypatch.setenv("ENTERPRISEHUB_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ENTERPRISEHUB_GHL_API_URL", fake.url)
    monkeypatch.setenv(TOKEN, fake.pit)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    """One command; an expected error comes back as its one line."""
    result = CliRunner().invoke(cli.app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit | EnterpriseHubError):
        raise result.exception
    return result


def told(*arguments: str) -> dict[str, Any]:
    """What the command says with --json."""
    result = run(*arguments, "--json")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    said: dict[str, Any] = json.loads(result.stdout)
    return said


def statuses(location: dict[str, Any]) -> dict[str, str]:
    return {finding["check"]: finding["status"] for finding in location["findings"]}


def test_an_account_is_connected_imported_and_found_in_order_by_three_commands(
    home: Path, fake: FakeGhl
) -> None:
    connected = told("connect", "--location", fake.location_id, "--no-workflow-url", "--write-back", "none")
    assert (connected["location_id"], connected["kind"]) == (fake.location_id, "private_token")
    assert connected["imported"]["contacts"] == 1
    (listed,) = told("location", "list")["locations"]
    assert listed["name"] == fake.home.name
    result = run("doctor", "--json")
    assert result.exit_code == 0
    (location,) = json.loads(result.stdout)["locations"]
    found = statuses(location)
    good = {"connection", "token", "encryption_key", "api", "scopes", "clock", "api_quota", "sync_contacts"}
    assert {name: found[name] for name in good} == dict.fromkeys(good, "ok")
    assert found["public_url"] == "warning"
    assert "failure" not in found.values()


def test_the_doctor_tells_what_to_do_and_ends_with_1_on_a_failure(home: Path, fake: FakeGhl) -> None:
    run("connect", "--location", fake.location_id, "--no-import", "--yes")
    (home / "encryption_key").write_text("f" * 64)
    result = run("doctor", "--location", fake.location_id)
    assert result.exit_code == 1
    first, second, third = result.stdout.splitlines()[:3]
    assert first == f"location {fake.location_id}"
    assert second.startswith("failure  encryption_key")
    assert "-> set ENTERPRISEHUB_ENCRYPTION_KEY" in third


def test_a_token_that_was_revoked_is_a_failure_of_the_connection(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_ghl_in_thread() as fake:
        monkeypatch.setenv("ENTERPRISEHUB_GHL_API_URL", fake.url)
        monkeypatch.setenv(TOKEN, fake.pit)
        run("connect", "--location", fake.location_id, "--no-import", "--yes")
        fake.vendor.authority.revoke_access()
        (location,) = told("doctor")["locations"]
        (again,) = told("doctor")["locations"]
    assert statuses(location)["api"] == "failure"
    assert statuses(again)["connection"] == "failure"


def test_no_secret_reaches_the_output_but_the_workflows_url(home: Path, fake: FakeGhl) -> None:
    arguments = ("connect", "--location", fake.location_id, "--no-import", "--new-workflow-url", "--yes")
    result = run(*arguments)
    assert fake.pit not in result.output
    assert result.output.count("/webhooks/ghl/workflow/") == 1
    assert "scope" in result.output
    assert "means appointment" in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("doctor",), "no location yet; `enterprisehub connect`"),
        (("doctor", "--location", "nowhere"), "is not served"),
        (("connect", "--yes"), "give --location"),
        (("connect", "--app", "--yes"), "ENTERPRISEHUB_GHL_CLIENT_ID"),
        (("connect", "--location", "x", "--yes", "--token-env", "NOTHING"), "set NOTHING"),
        (("import", "nothing.csv"), "--location is needed"),
        (("import", "nothing.csv", "--stage", "New"), "write NAME=ROLE"),
    ],
)
def test_a_mistake_gets_one_line_that_names_the_fix(
    home: Path, arguments: tuple[str, ...], says: str
) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, EnterpriseHubError)
    assert says in str(result.exception)
    assert "\n" not in str(result.exception)


def test_an_exported_file_is_taken_in_and_the_second_time_adds_nothing(home: Path) -> None:
    run("location", "add", "loc-1")
    file = home / "contacts.csv"
    file.write_text("Contact Id,First Name,Created\nc-1,Ana,2026-03-01\nc-2,Bo,never\n")
    first = told("import", str(file))
    assert (first["rows"], first["refused"], first["events"]) == (2, 1, {"stored": 2, "duplicate": 0})
    again = run("import", str(file), "--zone", "America/Chicago", "--rejects", "bad.csv")
    assert "2 rows of contacts, 1 of them refused" in again.output
    assert "row 3, Created: write dates as" in again.output
    assert (home / "bad.csv").exists()
