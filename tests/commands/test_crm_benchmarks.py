"""The instruments of the CRM side work: small runs on real processes, figures of the right shape. No time is judged."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ghl_real_estate_ai import budgets
from ghl_real_estate_ai.commands import crm_benchmarks, private_postgres
from ghl_real_estate_ai.commands.rows import Row
from ghl_real_estate_ai.settings import load_settings


def silent(_line: str) -> None:
    """Benchmarks say what they do; tests need not hear it."""


def test_every_message_of_the_account_is_imported_and_timed(tmp_path: Path) -> None:
    with crm_benchmarks.account_of(1_200) as (url, token):
        settings = load_settings(data_dir=tmp_path, database_url="", ghl_api_url=url)
        stored, seconds = asyncio.run(crm_benchmarks.import_messages(settings, token))
    assert stored == 1_200
    assert seconds > 0


@pytest.mark.untraced
def test_a_simulated_day_of_polling_costs_what_was_promised_and_no_more() -> None:
    row = crm_benchmarks.polling_calls(silent)
    assert row.measured == budgets.POLL_CALLS_PER_DAY
    assert row.passed


def test_a_burst_of_webhooks_is_answered_whole() -> None:
    for burst in (crm_benchmarks.burst_at_gateway(size=200), crm_benchmarks.burst_at_bare_peer(size=200)):
        assert burst.per_s > 0
        assert burst.p99_ms > 0


def test_where_more_is_better_the_target_and_the_ratio_turn_round() -> None:
    row = Row(
        "X", "x", measured=50.0, unit="/s", budget=40.0, samples=1, peer_measured=25.0, more_is_better=True
    )
    assert row.passed
    assert row.ratio == 2.0
    assert row.target == ">= 40 /s"


def test_a_machine_without_postgresql_is_said_to_be_one() -> None:
    found = private_postgres.programs()
    assert found is None or (found / "initdb").exists()
