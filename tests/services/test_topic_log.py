"""The log of one topic: bounds, snapshot, resume, forgetting."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghl_real_estate_ai.limits import (
    CLIENT_BEHIND_BYTES,
    QUEUE_ITEMS,
    SNAPSHOT_ITEMS,
    TOPIC_RING_BYTES,
    TOPIC_RING_FRAMES,
)
from ghl_real_estate_ai.models.frames import Bundle, framed
from ghl_real_estate_ai.models.identifiers import ActionId, LeadId
from ghl_real_estate_ai.models.intelligence import ActionKind, Evidence, NextAction
from ghl_real_estate_ai.models.streams import LeadRemovedItem, Publication, Stream
from ghl_real_estate_ai.services.topic_log import TopicLog
from tests.support.facts import NOON
from tests.support.sockets import Screen
from tests.support.stream_items import item


def filled(stream: Stream, *keys: str) -> TopicLog:
    log = TopicLog(stream)
    for number, key in enumerate(keys):
        log.append(Publication.of(stream, item(stream, key, number)), at_ms=1_000.5)
    return log


def big(key: str, size: int) -> Publication:
    heavy = item(Stream.CONVERSATION_FEED, key).model_copy(update={"text": "x" * size})
    return Publication.of(Stream.CONVERSATION_FEED, heavy)


def removal(key: str, stream: Stream = Stream.LEAD_SCORES) -> Publication:
    return Publication.of(stream, LeadRemovedItem(key=key, at=NOON, simulated=False, lead_id=LeadId(key)))


def opening(log: TopicLog) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(Bundle([log.opening()]).texts[0])
    return message


def test_a_removed_lead_leaves_the_snapshot_and_is_told_to_who_follows() -> None:
    log = filled(Stream.LEAD_SCORES, "a", "b")
    log.append(removal("a"), at_ms=0)
    assert [json.loads(text)["key"] for text in log.snapshot().items] == ["b"]
    (frame,) = log.after(2)
    assert json.loads(frame.text)["e"]["removed"] is True
    assert log.removed_at == 3


def test_a_removed_lead_takes_its_messages_out_of_the_feeds_snapshot_and_no_others() -> None:
    log = TopicLog(Stream.CONVERSATION_FEED)
    for key, lead in (("m1", "gone"), ("m2", "stays"), ("m3", "gone")):
        said = item(Stream.CONVERSATION_FEED, key).model_copy(update={"lead_id": LeadId(lead)})
        log.append(Publication.of(Stream.CONVERSATION_FEED, said), at_ms=0)
    log.append(removal("gone", Stream.CONVERSATION_FEED), at_ms=0)
    assert [json.loads(text)["key"] for text in log.snapshot().items] == ["m2-0"]
    assert log.removed_at == 4


def test_a_removal_takes_no_row_of_a_full_snapshot() -> None:
    log = filled(Stream.NEXT_ACTIONS, *(f"lead-{n}" for n in range(SNAPSHOT_ITEMS)))
    log.append(removal("lead-5", Stream.NEXT_ACTIONS), at_ms=0)
    log.append(Publication.of(Stream.NEXT_ACTIONS, item(Stream.NEXT_ACTIONS, "new")), at_ms=0)
    keys = [json.loads(text)["key"] for text in log.snapshot().items]
    assert len(keys) == SNAPSHOT_ITEMS
    assert (keys[0], keys[-1], "lead-5" in keys) == ("new", "lead-0", False)


def test_a_frame_holds_offset_publish_time_and_the_item_once() -> None:
    log = filled(Stream.LEAD_SCORES, "a")
    (frame,) = log.after(0)
    message = json.loads(frame.text)
    assert {name: message[name] for name in ("c", "o", "p")} == {"c": "lead_scores", "o": 1, "p": 1000.5}
    assert message["e"] == json.loads(frame.item) == item(Stream.LEAD_SCORES, "a").model_dump(mode="json")
    assert frame.wire == framed(frame.text)


def test_a_snapshot_has_the_newest_item_per_key_newest_first() -> None:
    snapshot = filled(Stream.NEXT_ACTIONS, "a", "b", "a").snapshot()
    assert [json.loads(text)["key"] for text in snapshot.items] == ["a", "b"]
    assert snapshot.offset == 3
    assert json.loads(snapshot.items[0])["lead_name"] == "Ana 2"
    body = json.loads(snapshot.as_json())
    assert (body["stream"], body["epoch"], body["offset"]) == ("next_actions", snapshot.epoch, 3)
    assert len(body["items"]) == 2


def test_the_snapshot_is_bounded_and_keeps_the_newest() -> None:
    log = filled(Stream.NEXT_ACTIONS, *(f"lead-{n}" for n in range(SNAPSHOT_ITEMS + 7)))
    keys = [json.loads(text)["key"] for text in log.snapshot().items]
    assert len(keys) == SNAPSHOT_ITEMS
    assert keys[0] == f"lead-{SNAPSHOT_ITEMS + 6}"
    assert keys[-1] == "lead-7"


def test_the_ring_is_bounded_in_frames() -> None:
    log = filled(Stream.SYSTEM_PERFORMANCE, *(["system"] * (TOPIC_RING_FRAMES + 3)))
    assert len(log) == TOPIC_RING_FRAMES
    assert log.head == TOPIC_RING_FRAMES + 3
    assert not log.can_resume(log.epoch, 2)
    assert log.can_resume(log.epoch, log.head)


def test_the_ring_is_bounded_in_bytes() -> None:
    log = TopicLog(Stream.CONVERSATION_FEED)
    for number in range(8):
        log.append(big(f"m-{number}", TOPIC_RING_BYTES // 4), at_ms=0)
    assert log.ring_bytes <= TOPIC_RING_BYTES
    assert len(log) == 3


def test_a_reader_is_lost_when_it_is_behind_by_more_bytes_than_allowed() -> None:
    log = TopicLog(Stream.CONVERSATION_FEED)
    for number in range(3):
        log.append(big(f"m-{number}", CLIENT_BEHIND_BYTES // 2), at_ms=0)
    assert log.lost(0)
    assert log.lost(1)
    assert not log.lost(2)
    assert not log.lost(3)


def test_everything_that_the_ring_holds_can_be_resumed_however_many_bytes_it_has() -> None:
    log = TopicLog(Stream.CONVERSATION_FEED)
    for number in range(5):
        log.append(big(f"m-{number}", CLIENT_BEHIND_BYTES // 2), at_ms=0)
    assert log.lost(0)
    assert log.can_resume(log.epoch, 0)
    assert len(log.history(epoch=log.epoch, after=0).frames) == 5
    for number in range(5, 9):
        log.append(big(f"m-{number}", CLIENT_BEHIND_BYTES // 2), at_ms=0)
    assert not log.can_resume(log.epoch, 0)


def test_resume_gives_exactly_the_missed_frames() -> None:
    log = filled(Stream.LEAD_SCORES, "a", "b", "c")
    history = log.history(epoch=log.epoch, after=1)
    assert history.recovered
    assert [json.loads(text)["o"] for text in history.frames] == [2, 3]
    assert [frame["o"] for frame in json.loads(history.as_json())["frames"]] == [2, 3]


@pytest.mark.parametrize(("epoch", "after"), [("gone", 1), (None, 4)])
def test_a_place_of_another_epoch_or_of_the_future_is_not_resumed(epoch: str | None, after: int) -> None:
    log = filled(Stream.LEAD_SCORES, "a", "b", "c")
    history = log.history(epoch=epoch or log.epoch, after=after)
    assert (history.recovered, history.frames, history.offset) == (False, (), 3)
    assert json.loads(history.as_json())["recovered"] is False


def test_seeds_fill_the_snapshot_but_never_replace_what_was_published() -> None:
    log = filled(Stream.NEXT_ACTIONS, "a")
    epoch = log.epoch
    known = (item(Stream.NEXT_ACTIONS, "b", 7), item(Stream.NEXT_ACTIONS, "a", 8))
    log.seed([Publication.of(Stream.NEXT_ACTIONS, it) for it in known])
    assert [json.loads(text)["lead_name"] for text in log.snapshot().items] == ["Ana 0", "Ana 7"]
    assert log.epoch != epoch
    assert log.newest_after(1) == []


def test_forgetting_leaves_no_trace_and_voids_every_place() -> None:
    log = filled(Stream.CONVERSATION_FEED, "secret", "b")
    epoch = log.epoch
    assert log.forget(lambda lead_id: lead_id == "secret")
    assert (
        "secret"
        not in log.snapshot().as_json()
        + json.dumps(opening(log))
        + log.history(epoch=log.epoch, after=0).as_json()
    )
    assert len(log.snapshot().items) == 1
    assert not log.can_resume(epoch, 1)


def test_forgetting_an_unknown_lead_changes_nothing() -> None:
    log = filled(Stream.CONVERSATION_FEED, "a")
    assert not log.forget(lambda lead_id: lead_id == "other")
    assert log.can_resume(log.epoch, 0)


@given(
    changes=st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=40),
    cut=st.integers(0, 40),
    stream=st.sampled_from(Stream),
)
def test_a_snapshot_and_the_events_after_it_equal_a_fresh_snapshot(
    changes: list[tuple[str, bool]], cut: int, stream: Stream
) -> None:
    log = TopicLog(stream)
    screen = Screen()
    for number, (key, removed) in enumerate(changes):
        if number == cut:
            screen.apply(opening(log))
        it = removal(key, stream) if removed else Publication.of(stream, item(stream, key, number))
        log.append(it, at_ms=0)
    if cut >= len(changes):
        screen.apply(opening(log))
    for frame in log.after(screen.offset):
        screen.apply(json.loads(frame.text))
    assert screen.shown == [json.loads(text) for text in log.snapshot().items]
    assert screen.offset == log.head


TO_DO = NextAction(
    action_id=ActionId("a1"),
    kind=ActionKind.REPLY,
    title="Reply",
    urgency=0.5,
    evidence=(Evidence(text="wrote"),),
)


def action(key: str, *, idle: bool) -> Publication:
    shown = item(Stream.NEXT_ACTIONS, key).model_copy(update={"action": None if idle else TO_DO})
    return Publication.of(Stream.NEXT_ACTIONS, shown)


def test_a_lead_that_waits_stays_in_the_queue_however_many_with_nothing_to_do_come_after_it() -> None:
    log = TopicLog(Stream.NEXT_ACTIONS)
    log.append(action("waits", idle=False), at_ms=0)
    for number in range(SNAPSHOT_ITEMS + QUEUE_ITEMS):
        log.append(action(f"idle-{number}", idle=True), at_ms=0)
    keys = [json.loads(text)["key"] for text in log.snapshot().items]
    assert len(keys) == SNAPSHOT_ITEMS + 1
    assert keys[-1] == "waits"


def test_a_queue_that_is_full_drops_who_has_nothing_to_do_and_then_its_oldest() -> None:
    log = TopicLog(Stream.NEXT_ACTIONS)
    log.append(action("idle", idle=True), at_ms=0)
    most = SNAPSHOT_ITEMS + QUEUE_ITEMS
    for number in range(most + 1):
        log.append(action(f"open-{number}", idle=False), at_ms=0)
    keys = [json.loads(text)["key"] for text in log.snapshot().items]
    assert (len(keys), keys[0], keys[-1]) == (most, f"open-{most}", "open-1")


def test_a_lead_that_has_something_to_do_again_is_idle_no_more() -> None:
    log = TopicLog(Stream.NEXT_ACTIONS)
    for idle in (True, False):
        log.append(action("a", idle=idle), at_ms=0)
    for number in range(SNAPSHOT_ITEMS + 1):
        log.append(action(f"idle-{number}", idle=True), at_ms=0)
    assert json.loads(log.snapshot().items[-1])["key"] == "a"
