"""A replayed log is accounted for row by row, and a mistake in its map is named by its key."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import ghl_real_estate_ai.simulation
from ghl_real_estate_ai.errors import ConfigurationError, InputError
from ghl_real_estate_ai.integrations.gohighlevel.webhooks import GoHighLevelWebhookReader
from ghl_real_estate_ai.simulation.replay import ReplayTally, replay
from ghl_real_estate_ai.simulation.replay_map import load_map
from ghl_real_estate_ai.simulation.vendor_servers import FakeGoHighLevel
from tests.support.ghl import LOCATION
from tests.support.webhook_receiver import WebhookReceiver, receiving

SEED = b"1" * 32
ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("ENTERPRISEHUB_DATA", ROOT.parent / "shared" / "data"))
BPI_LOG = DATA / "bpi2012" / "events_first80pct_cases.parquet"
BPI_MAP = Path(ghl_real_estate_ai.simulation.__file__).parent / "maps" / "bpi2012.toml"

MAP = """
title = "a shop"
[columns]
case = "id"
activity = "what"
time = "when"
lifecycle = "step"
resource = "who"
value = "amount"
[template.NoteCreate]
id = "note-{row}"
contactId = "shop-{case}"
[[rule]]
activity = "order"
[[rule.send]]
type = "ContactCreate"
body.id = "shop-{case}"
body.source = "replayed log"
body.assignedTo = "{resource}"
body.tags = ["replayed", "by {resource}"]
[[rule.send]]
type = "OpportunityCreate"
body.id = "deal-{case}"
body.contactId = "shop-{case}"
body.monetaryValue = "{value}"
body.nested = { by = "{resource}", n = 1 }
[[rule]]
activity = "remark"
lifecycle = "done"
[[rule.send]]
type = "NoteCreate"
body.body = "{activity} at {time}"
[[rule]]
activity = "remark"
ignore = "only finished remarks count"
"""

LOG = """id,what,when,step,who,amount,unused
007,order,2012-01-02T10:00:00Z,,ann,10.50,x
007,remark,2012-01-02T12:00:00+01:00,done,,,x
007,remark,2012-01-02 10:00:00,started,,,x
008,order,2012-01-01T10:00:00Z,,,,x
008,dance,2012-01-03,slowly,,,x
,order,2012-01-03,,,,x
009,,2012-01-03,,,,x
009,order,yesterday,,,,x
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    return path


def map_file(tmp_path: Path, text: str = MAP) -> Path:
    path = tmp_path / "map.toml"
    path.write_text(text)
    return path


def gateway() -> WebhookReceiver:
    key = FakeGoHighLevel(gateway_url="", key_seed=SEED).public_key
    return WebhookReceiver(GoHighLevelWebhookReader(public_keys=(), simulator_public_key=key, wish_fields={}))


async def replayed(receiver: WebhookReceiver, log: Path, mapping: Path, **options: Any) -> ReplayTally:
    async with receiving(receiver):
        sender = FakeGoHighLevel(gateway_url=receiver.url, key_seed=SEED)
        return await replay(log, mapping, sender=sender, location_id=LOCATION, speed=0, **options)


@pytest.mark.asyncio
async def test_every_row_is_sent_or_refused_with_a_reason(log: Path, tmp_path: Path) -> None:
    receiver = gateway()
    tally = await replayed(receiver, log, map_file(tmp_path))
    assert (tally.rows, tally.rows_sent, tally.events) == (8, 3, 5)
    assert tally.rows_refused == {
        "only finished remarks count": 1,
        "no rule for dance slowly": 1,
        "the row has no readable case": 1,
        "the row has no readable activity": 1,
        "the row has no readable time": 1,
    }
    assert tally.deliveries.stored == tally.deliveries.sent == 5
    assert tally.balanced
    json.dumps(tally.as_dict())


@pytest.mark.asyncio
async def test_bodies_are_filled_from_the_row_and_silent_columns_leave_their_field_out(
    log: Path, tmp_path: Path
) -> None:
    receiver = gateway()
    await replayed(receiver, log, map_file(tmp_path))
    bodies = {(body["type"], body["id"]): body for body in map(json.loads, receiver.requests)}
    contact, deal = bodies["ContactCreate", "shop-007"], bodies["OpportunityCreate", "deal-007"]
    assert (contact["assignedTo"], contact["tags"]) == ("ann", ["replayed", "by ann"])
    assert (deal["monetaryValue"], deal["nested"]) == ("10.50", {"by": "ann", "n": 1})
    silent = bodies["ContactCreate", "shop-008"]
    assert "assignedTo" not in silent
    assert silent["tags"] == ["replayed"]
    assert bodies["OpportunityCreate", "deal-008"]["nested"] == {"n": 1}
    assert bodies["NoteCreate", "note-2"]["body"] == "remark at 2012-01-02T11:00:00.000Z"
    facts = {delivery.event.model_dump()["type"]: delivery.event for delivery in receiver.stored.values()}
    assert facts["NoteAdded"].occurred_at == datetime(2012, 1, 2, 11, tzinfo=UTC)
    assert all(delivery.event.simulated for delivery in receiver.stored.values())


@pytest.mark.asyncio
async def test_a_second_replay_is_all_duplicates(log: Path, tmp_path: Path) -> None:
    receiver, mapping = gateway(), map_file(tmp_path)
    await replayed(receiver, log, mapping)
    again = await replayed(receiver, log, mapping)
    assert (again.deliveries.duplicate, again.deliveries.stored) == (5, 0)
    assert again.balanced


@pytest.mark.asyncio
async def test_a_limit_takes_the_earliest_rows_and_tells_progress(log: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    receiver = gateway()
    tally = await replayed(
        receiver, log, map_file(tmp_path), limit=1, progress=lambda *step: told.append(step)
    )
    assert (tally.rows, tally.rows_sent, tally.balanced) == (1, 1, True)
    assert told == [(1, 2), (2, 2)]
    assert {delivery.event.lead_id for delivery in receiver.stored.values()} == {"shop-008"}


@pytest.mark.asyncio
async def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "id": [7, 8, 9],
            "what": ["order"] * 3,
            "when": [datetime(2012, 1, day) for day in (1, 2, 3)],  # noqa: DTZ001  # reason: logs often have no zone
            "step": [None] * 3,
            "who": ["ann"] * 3,
            "amount": [10.5, float("nan"), None],
        },
        schema_overrides={"step": pl.String},
    )
    path = tmp_path / "log.parquet"
    frame.write_parquet(path)
    receiver = gateway()
    tally = await replayed(receiver, path, map_file(tmp_path))
    assert tally.deliveries.stored == 6
    deals = [
        d.event.model_dump()["monetary_value"]
        for d in receiver.stored.values()
        if d.event.type == "OpportunityChanged"
    ]
    assert sorted(deals, key=str) == [Decimal("10.5"), None, None]


@pytest.mark.asyncio
async def test_decimals_become_text(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pl.DataFrame(
        {"id": ["7"], "what": ["order"], "when": [datetime(2012, 1, 1, tzinfo=UTC)], "step": ["x"], "who": ["a"],
         "amount": [Decimal("1.10")]}
    ).write_parquet(path)  # fmt: skip
    receiver = gateway()
    await replayed(receiver, path, map_file(tmp_path))
    assert any(json.loads(body).get("monetaryValue") == "1.10" for body in receiver.requests)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("title = ", "not TOML"),
        (MAP.replace('case = "id"\n', ""), r"columns\.case: Field required"),
        (MAP.replace('who"', 'who"\ncolour = "c"'), r"columns\.colour"),
        (MAP.replace("{value}", "{amount}"), r"rule 1 \(order\): \{amount\} is not one of activity, case"),
        (MAP.replace('value = "amount"\n', ""), r"\{value\} is not one of"),
        (
            MAP.replace('lifecycle = "step"\n', ""),
            r"rule 2 \(remark\): names a lifecycle, but columns\.lifecycle",
        ),
        (MAP + '[[rule]]\nactivity = "order"\nignore = "x"', r"rule 4 \(order\): an earlier rule"),
        (MAP + '[[rule]]\nactivity = "new"', r"rule\.4: give either"),
        (MAP + "[template.TaskCreate]\nid = 1", r"template\.TaskCreate: no rule sends this type"),
        (MAP.split("[[rule]]")[0].split("[template")[0], r"rule: Field required"),
    ],
)
def test_a_mistake_in_the_map_is_named_by_its_key(tmp_path: Path, broken: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_map(map_file(tmp_path, broken))


def test_a_missing_map_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml: cannot be read"):
        load_map(tmp_path / "nowhere.toml")


@pytest.mark.asyncio
async def test_a_column_that_the_log_lacks_is_named(log: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"columns\.resource: the log has no column 'whom'; it has id, what"
    ):
        await replayed(gateway(), log, map_file(tmp_path, MAP.replace('"who"', '"whom"')))


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["missing.csv", "broken.parquet"])
async def test_a_log_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"not parquet")
    with pytest.raises(InputError, match=name):
        await replayed(gateway(), tmp_path / name, map_file(tmp_path))


# --- the shipped map ----------------------------------------------------------------------------------------------


def test_the_shipped_map_reads_and_names_every_activity_of_the_log() -> None:
    mapping = load_map(BPI_MAP)
    activities = {rule.activity for rule in mapping.rule}
    assert len(activities) == 24
    assert {rule.send[0].type for rule in mapping.rule if rule.send} == set(mapping.template) - {
        "OpportunityCreate"
    }


@pytest.mark.untraced
@pytest.mark.data
@pytest.mark.skipif(not BPI_LOG.exists(), reason=f"no log at {BPI_LOG}; set ENTERPRISEHUB_DATA")
@pytest.mark.asyncio
async def test_real_applications_go_through_with_every_event_accounted_for() -> None:
    receiver = gateway()
    tally = await replayed(receiver, BPI_LOG, BPI_MAP, limit=600)
    assert tally.rows == 600 == tally.rows_sent + tally.rows_refused.total()
    assert tally.balanced
    assert tally.deliveries.stored == tally.deliveries.sent == tally.events
    assert not any(reason.startswith("no rule") for reason in tally.rows_refused)
    kinds = {delivery.event.type for delivery in receiver.stored.values()}
    assert kinds == {"LeadUpserted", "OpportunityChanged", "MessageSent", "TaskChanged"}
    calls = [d.event.model_dump() for d in receiver.stored.values() if d.event.type == "MessageSent"]
    assert any(call["channel"] == "call" and call["human"] and call["user_id"] for call in calls)
    first = min(delivery.event.occurred_at for delivery in receiver.stored.values())
    assert first == datetime(2011, 9, 30, 22, 38, 44, 546_000, tzinfo=UTC)
