"""The command line on a real SQLite installation: what a person or a script sees, and what a mistake gets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ghl_real_estate_ai import bootstrap, cli
from ghl_real_estate_ai.api.auth import verify_password
from ghl_real_estate_ai.errors import ConfigurationError, EnterpriseHubError
from ghl_real_estate_ai.models.events import DeadLetter, Delivery, VendorEventKept
from ghl_real_estate_ai.models.synchronization import ChangeKind, CrmChange, RereadRequest
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.event_inbox import INBOX
from ghl_real_estate_ai.settings import load_settings
from tests.support.facts import LEAD, LOCATION, NOON, contact, delivery, message


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of its own: settings come from the environment, as in life."""
    monkeypatch.setenv("ENTERPRISEHUB_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ENTERPRISEHUB_PASSWORD", "correct horse 9")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, stdin: str = "") -> Result:
    """One command; an expected error comes back as its one line."""
    result = CliRunner().invoke(cli.app, list(arguments), input=stdin)
    if isinstance(result.exception, EnterpriseHubError):
        return result
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def handle(*deliveries: Delivery) -> None:
    """Let the installation take the deliveries in and handle them."""

    async def go() -> None:
        async with bootstrap.running(load_settings()) as services:
            for one in deliveries:
                await services.inbox.receive(one)
            async with asyncio.timeout(30):
                while await services.bus.lag(LOCATION):
                    await asyncio.sleep(0.01)

    asyncio.run(go())


def store(change: object) -> None:
    async def go() -> None:
        async with bootstrap.opened(load_settings()) as memory:
            await memory.write(change)  # type: ignore[arg-type]  # reason: any change

    asyncio.run(go())


def test_places_and_people_are_added_and_listed(home: Path) -> None:
    assert "no location yet" in run("location", "list").output
    assert "serving Harbour Realty" in run("location", "add", LOCATION, "--name", "Harbour Realty").output
    listed = json.loads(run("location", "list", "--json").output)
    assert listed["locations"] == [{"location_id": LOCATION, "name": "Harbour Realty"}]
    assert "Harbour Realty" in run("location", "list").output
    added = json.loads(run("user", "add", "Ana@Example.com", "--role", "manager", "--json").output)
    assert (added["email"], added["role"], added["location_id"]) == ("ana@example.com", "manager", LOCATION)
    assert "has a user with this email already" in str(run("user", "add", "ana@example.com").exception)


def test_users_are_listed_and_given_a_new_password(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("location", "add", LOCATION)
    assert "nobody yet" in run("user", "list").output
    assert "leave --replace out" in str(run("user", "add", "ana@example.com", "--replace").exception)
    run("user", "add", "ana@example.com")
    monkeypatch.setenv("ENTERPRISEHUB_PASSWORD", "another horse 9")
    run("user", "add", "ana@example.com", "--replace", "--role", "manager", "--name", "Ana Diaz")
    assert "ana@example.com  manager  Ana Diaz" in run("user", "list").output
    (user,) = json.loads(run("user", "list", "--json").output)["users"]

    async def hashes() -> list[str]:
        async with bootstrap.opened(load_settings()) as memory:
            known = await memory.read(lambda uow: uow.tenants.credentials("ana@example.com"))
        return [digest for _, digest in known]

    (digest,) = asyncio.run(hashes())
    assert user["role"] == "manager"
    assert asyncio.run(verify_password("another horse 9", digest))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("user", "add", "ana"), "--location is needed"),
        (("user", "add", "ana@example.com", "--location", "nowhere"), "location add nowhere"),
        (("location", "add", " "), "location id is empty"),
        (("bench", "--only", "NOTHING"), "no such number"),
        (("simulate", "--replay", "log.csv"), "--replay and --map go together"),
        (("simulate", "--replay", "log.csv", "--map", "m.toml"), "no such file"),
        (("lead", "forget", "lead-1", "--yes"), "--location is needed"),
    ],
)
def test_a_mistake_gets_one_line_that_names_the_fix(
    home: Path, arguments: tuple[str, ...], says: str
) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, EnterpriseHubError)
    assert says in str(result.exception)
    assert "\n" not in str(result.exception)


def test_a_bad_email_or_password_names_the_field(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("location", "add", LOCATION)
    assert "email 'ana' is not an address" in str(run("user", "add", "ana").exception)
    monkeypatch.setenv("ENTERPRISEHUB_PASSWORD", "short")
    assert "password is too short" in str(run("user", "add", "ana@example.com").exception)


def test_a_bad_setting_names_its_variable(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENTERPRISEHUB_PORT", "many")
    assert "ENTERPRISEHUB_PORT" in str(run("location", "list").exception)


def test_a_signing_secret_that_was_cut_short_is_refused(home: Path) -> None:
    (home / "jwt_secret").touch()
    with pytest.raises(ConfigurationError, match="damaged; delete it"):
        load_settings().signing_secret()


def test_an_error_is_one_line_however_long(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["enterprisehub", "lead", "export", "x", "--location", "l" * 200])
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().err.count("\n") == 1


def test_replay_from_the_log_gives_the_live_states(home: Path) -> None:
    run("location", "add", LOCATION)
    handle(contact("c"), message("m1"), message("m2"))
    result = json.loads(run("replay", "--json").output)
    assert (result["leads"], result["different"], result["written"]) == (1, [], False)
    assert "leads=1" in run("replay").output


def test_replay_mends_a_damaged_state_only_when_asked(home: Path) -> None:
    run("location", "add", LOCATION)
    handle(contact("c"), message("m"))

    def damage(uow: UnitOfWork) -> None:
        lead = uow.leads.get(LOCATION, LEAD)
        assert lead is not None
        uow.leads.put(lead.model_copy(update={"deleted": True}), None)

    store(damage)
    assert json.loads(run("replay", "--json").output)["different"] == [LEAD]
    assert json.loads(run("replay", "--rebuild", "--json").output)["written"] is True
    assert json.loads(run("replay", "--json").output)["different"] == []


def test_dead_letters_are_revived_when_they_can_be_read_now(home: Path) -> None:
    run("location", "add", LOCATION)
    good = json.dumps({"type": "ContactCreate", "locationId": LOCATION, "id": "lead-9", "name": "Lee"})

    def bury(uow: UnitOfWork) -> None:
        for number, raw in enumerate((good, "{")):
            uow.cursors.bury(
                DeadLetter(
                    dead_letter_id=0,
                    location_id=LOCATION,
                    subscriber=INBOX,
                    delivery_id=f"d{number}",
                    reason="old version",
                    raw=raw,
                    failed_at=NOON,
                )
            )

    store(bury)
    result = json.loads(run("replay", "--dead-letters", "--json").output)
    assert (result["dead_letters"], result["revived"]) == (2, 1)
    assert result["kept"][0]["subscriber"] == INBOX
    handle()
    assert json.loads(run("lead", "export", "lead-9").output)["lead"]["contact"]["name"] == "Lee"


def test_an_event_that_a_handler_gave_up_moves_to_the_end_of_the_log_and_counts_once(home: Path) -> None:
    run("location", "add", LOCATION)
    handle(contact("c"))

    def bury(uow: UnitOfWork) -> None:
        given_up = uow.events.append(message("m"))
        assert given_up is not None
        for position in (given_up.position, 999):
            uow.cursors.advance(LOCATION, "lead_intelligence", given_up.position)
            uow.cursors.bury(
                DeadLetter(
                    dead_letter_id=0,
                    location_id=LOCATION,
                    subscriber="lead_intelligence",
                    position=position,
                    delivery_id=f"m{position}",
                    reason="a bug, mended since",
                    failed_at=NOON,
                )
            )

    store(bury)
    result = json.loads(run("replay", "--dead-letters", "--json").output)
    assert (result["dead_letters"], result["revived"]) == (2, 1)
    assert "erased" in result["kept"][0]["reason"]
    handle(message("m"))  # the vendor sends it once more: still a duplicate
    exported = json.loads(run("lead", "export", LEAD).output)
    assert exported["lead"]["activity"]["counts"]["message_in"] == 1
    assert [row["event"]["type"] for row in exported["events"]].count("MessageReceived") == 1
    assert json.loads(run("replay", "--json").output)["different"] == []


def test_an_export_holds_the_vendors_own_text_and_the_leads_dead_letters(home: Path) -> None:
    run("location", "add", LOCATION)
    handle(contact("c").model_copy(update={"raw": '{"address1": "1 Old Mill Rd"}'}))

    def bury(uow: UnitOfWork) -> None:
        for raw in (f'{{"contactId": "{LEAD}"}}', '{"contactId": "somebody else"}'):
            uow.cursors.bury(
                DeadLetter(
                    dead_letter_id=0,
                    location_id=LOCATION,
                    subscriber=INBOX,
                    delivery_id=raw,
                    reason="unreadable",
                    raw=raw,
                    failed_at=NOON,
                )
            )

    store(bury)
    exported = json.loads(run("lead", "export", LEAD).output)
    assert "1 Old Mill Rd" in exported["events"][0]["raw"]
    assert [letter["raw"] for letter in exported["dead_letters"]] == [f'{{"contactId": "{LEAD}"}}']


def test_no_dead_letter_is_left_untried_however_many_there_are(home: Path) -> None:
    run("location", "add", LOCATION)

    def bury(uow: UnitOfWork) -> None:
        for number in range(1_100):
            raw = {"type": "ContactCreate", "locationId": LOCATION, "id": "lead-9", "name": "Lee"}
            uow.cursors.bury(
                DeadLetter(
                    dead_letter_id=0,
                    location_id=LOCATION,
                    subscriber=INBOX,
                    delivery_id=f"d{number}",
                    reason="too new",
                    raw=json.dumps(raw) if number == 1_099 else "{",
                    failed_at=NOON,
                )
            )

    store(bury)
    result = json.loads(run("replay", "--dead-letters", "--json").output)
    assert (result["dead_letters"], result["revived"]) == (1_100, 1)


def test_kept_vendor_events_are_read_again_after_an_upgrade(home: Path) -> None:
    run("location", "add", LOCATION)
    known = {"type": "ContactCreate", "locationId": LOCATION, "id": "lead-7", "name": "Kim"}
    base = message("x").event
    for number, body in enumerate((known, {"type": "InvoicePaid", "locationId": LOCATION})):
        event = VendorEventKept(
            event_id=f"kept-{number}",  # type: ignore[arg-type]  # reason: a plain id
            location_id=LOCATION,
            occurred_at=NOON,
            correlation_id=base.correlation_id,
            source=base.source,
            vendor_type=str(body["type"]),
            body=body,
        )
        store(lambda uow, one=event, n=number: uow.events.append(delivery(f"kept-{n}", one)))
    assert json.loads(run("replay", "--retranslate", "--json").output) == {"kept": 2, "understood_now": 1}
    assert json.loads(run("replay", "--retranslate", "--json").output) == {"kept": 1, "understood_now": 0}


def test_a_lead_is_exported_and_forgotten(home: Path, tmp_path: Path) -> None:
    run("location", "add", LOCATION)
    handle(
        contact("c", fields={"name": "Zelda Quill", "email": "zelda@example.com"}),
        message("m", text="secret plan"),
    )
    note = CrmChange(
        location_id=LOCATION,
        change_id="note:1",
        lead_id=LEAD,
        kind=ChangeKind.NOTE,
        content={"body": "about the secret plan"},
        due_at=NOON,
        created_at=NOON,
    )
    hint = RereadRequest(location_id=LOCATION, lead_id=LEAD, requested_at=NOON, due_at=NOON)
    store(lambda uow: uow.changes.want(note))
    store(lambda uow: uow.sync.request_reread(hint))
    file = tmp_path / "export.json"
    assert "written to" in run("lead", "export", LEAD, "--out", str(file)).output
    assert "Zelda Quill" in file.read_text()
    held = json.loads(file.read_text())
    assert [change["change_id"] for change in held["crm_changes"]] == ["note:1"]
    assert held["reread_request"]["lead_id"] == LEAD
    assert file.stat().st_mode & 0o077 == 0
    file.unlink()
    assert run("lead", "forget", LEAD, stdin="n\n").exit_code == 1
    assert "forgotten" in run("lead", "forget", LEAD, stdin="y\n").output
    assert "not known" in str(run("lead", "export", LEAD).exception)
    left = b"".join(path.read_bytes() for path in tmp_path.glob("enterprisehub.db*"))
    for trace in (b"Zelda", b"zelda@example.com", b"secret plan"):
        assert trace not in left


def test_a_forgetting_that_found_the_database_busy_is_finished_by_the_same_command(
    home: Path, tmp_path: Path
) -> None:
    run("location", "add", LOCATION)
    handle(contact("c", fields={"name": "Zelda Quill"}), message("m", text="secret plan"))
    file = tmp_path / "enterprisehub.db"
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events").fetchone()  # holds the old pages in the WAL
        assert "again" in str(run("lead", "forget", LEAD, "--yes").exception)
    assert "forgotten" in run("lead", "forget", LEAD, "--yes").output
    assert not any(b"secret plan" in path.read_bytes() for path in tmp_path.glob("enterprisehub.db*"))


def test_version_is_printed() -> None:
    assert run("--version").output.strip() == "0.1.0"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("replay", "--rebuild", "--retranslate"), "give one of them"),
        (("replay", "--dead-letters", "--location", LOCATION), "leave --location out"),
    ],
)
def test_replay_refuses_errands_that_it_would_not_run(
    home: Path, arguments: tuple[str, ...], says: str
) -> None:
    assert says in str(run(*arguments).exception)


def test_without_a_terminal_the_password_must_be_in_the_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ENTERPRISEHUB_PASSWORD")
    assert "set ENTERPRISEHUB_PASSWORD" in str(run("user", "add", "ana@example.com").exception)


def test_a_wish_map_that_is_not_json_names_its_variable(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENTERPRISEHUB_GHL_WISH_FIELDS", "{bad")
    assert "ENTERPRISEHUB_GHL_WISH_FIELDS: not a JSON map" in str(run("location", "list").exception)


def test_names_are_printed_as_they_are(home: Path) -> None:
    assert "serving [red]Office" in run("location", "add", LOCATION, "--name", "[red]Office").output
    assert "[red]Office" in run("location", "list").output


def test_a_file_that_cannot_be_used_is_one_line(home: Path) -> None:
    taken = home / ("a-long-name-" * 12)  # longer than a terminal: the line must not be broken
    taken.write_text("")
    command = [sys.executable, "-m", "ghl_real_estate_ai.cli", "location", "list"]
    environment = {**os.environ, "ENTERPRISEHUB_DATA_DIR": str(taken)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, f"enterprisehub: {taken}: File exists\n")
