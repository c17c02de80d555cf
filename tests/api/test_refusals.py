"""Refused deliveries are logged at once, then once a minute for each reason, and none goes uncounted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog

from ghl_real_estate_ai.api.refusals import Refusals
from ghl_real_estate_ai.models.events import Source

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
APP, WORKFLOW = Source.APP_WEBHOOK, Source.WORKFLOW_WEBHOOK


def test_the_first_at_once_then_one_line_a_minute_with_the_count_of_all_between() -> None:
    refusals = Refusals()
    with structlog.testing.capture_logs() as logs:
        for second in range(150):
            refusals.refused(APP, "bad_signature", now=NOON + timedelta(seconds=second))
    assert [log["count"] for log in logs] == [1, 60, 60]
    assert {(log["event"], log["source"], log["why"]) for log in logs} == {
        ("webhook.refused", APP.value, "bad_signature")
    }


def test_each_door_and_reason_has_a_line_of_its_own_and_what_is_ours_to_mend_is_an_error() -> None:
    refusals = Refusals()
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            refusals.refused(APP, "bad_signature", now=NOON)
            refusals.refused(WORKFLOW, "too_many", now=NOON)
            refusals.refused(APP, "not_stored", now=NOON, not_stored="the disk is full")
    assert [(log["event"], log["log_level"]) for log in logs] == [
        ("webhook.refused", "warning"),
        ("webhook.refused", "warning"),
        ("webhook.not_stored", "error"),
    ]
    assert logs[-1]["reason"] == "the disk is full"
