"""Tokens at rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from ghl_real_estate_ai.errors import ConfigurationError
from ghl_real_estate_ai.integrations.gohighlevel.sealing import ACCESS, REFRESH, TokenSeal
from ghl_real_estate_ai.storage.database import Database
from tests.support.crm_access import sealed
from tests.support.facts import NOON
from tests.support.memory import sqlite_url

TOKEN = "access-7f3a9b1c55"
SEAL = TokenSeal("a" * 32)


def opened(text: str, *, by: TokenSeal = SEAL, owner_id: str = "loc-1", field: str = ACCESS) -> str:
    return by.open(text, owner_id=owner_id, field=field)


def test_what_was_sealed_opens_and_shows_nothing_of_the_token() -> None:
    text = SEAL.seal(TOKEN, owner_id="loc-1", field=ACCESS)
    assert opened(text) == TOKEN
    assert opened(text, by=TokenSeal("a" * 32)) == TOKEN, "after a restart"
    assert TOKEN[7:] not in text
    assert text != SEAL.seal(TOKEN, owner_id="loc-1", field=ACCESS), "two seals of one token are not alike"


def test_no_token_stays_no_token() -> None:
    assert SEAL.seal("", owner_id="loc-1", field=ACCESS) == ""
    assert opened("") == ""


def test_a_seal_opens_in_its_own_row_and_field_only() -> None:
    text = SEAL.seal(TOKEN, owner_id="loc-1", field=ACCESS)
    for owner_id, field in (("loc-2", ACCESS), ("loc-1", REFRESH)):
        with pytest.raises(ConfigurationError):
            opened(text, owner_id=owner_id, field=field)


@pytest.mark.parametrize("damage", ["v1.", "v1.AAAA", "not base64 at all", "v1." + "A" * 60])
def test_what_is_no_seal_does_not_open(damage: str) -> None:
    with pytest.raises(ConfigurationError):
        opened(damage)


def test_another_key_is_an_error_that_names_the_setting_and_the_way_out() -> None:
    text = SEAL.seal(TOKEN, owner_id="loc-1", field=ACCESS)
    with pytest.raises(ConfigurationError) as error:
        opened(text, by=TokenSeal("b" * 32))
    assert "ENTERPRISEHUB_ENCRYPTION_KEY" in str(error.value)
    assert "enterprisehub connect" in str(error.value)
    assert text[3:] not in str(error.value)
    assert error.value.__context__ is None, "nothing of the failed opening comes along"


@pytest.mark.asyncio
async def test_neither_the_database_nor_its_wal_holds_a_token(tmp_path: Path) -> None:
    refresh = "refresh-0d4c7e8812"
    async with Database(sqlite_url(tmp_path)) as database:
        connection = sealed("loc-1", seal=SEAL, access=TOKEN, refresh=refresh, at=NOON)
        await database.write(lambda uow: uow.connections.put(connection))
        files = sorted(tmp_path.iterdir())
        held = b"".join(path.read_bytes() for path in files)
        assert any(path.name.endswith("-wal") for path in files)
    held += b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert connection.access_token.encode() in held, "this looks at the right bytes"
    for secret in (TOKEN, refresh, TOKEN.split("-")[1], refresh.split("-")[1]):
        assert secret.encode() not in held
