"""Training runs in a process of its own, on the same database, and its failure is told in its own words."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from ghl_real_estate_ai.bootstrap_learning import command, in_short, learning_process
from ghl_real_estate_ai.errors import TrainingFailed
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.settings import Settings


def test_the_process_opens_the_same_database_and_a_failure_tells_its_last_words(tmp_path: Path) -> None:
    """The location is not known there: the command says so, and nothing is learned."""
    learn = learning_process(Settings(data_dir=tmp_path, database_url=""))

    async def go() -> str:
        return await learn(LocationId("nobody"))

    with pytest.raises(TrainingFailed, match=r"'nobody' is not known"):
        asyncio.run(go())
    assert (tmp_path / "enterprisehub.db").exists()


def test_a_process_that_cannot_be_started_is_a_training_that_failed(tmp_path: Path) -> None:
    """The system refuses an environment that is too long, as it refuses one more process when there is no memory."""
    learn = learning_process(Settings(data_dir=tmp_path, database_url="sqlite:///" + "x" * 4_000_000))

    async def go() -> str:
        return await learn(LocationId("anybody"))

    with pytest.raises(TrainingFailed, match="could not be started"):
        asyncio.run(go())


def test_the_process_is_this_python_and_names_the_location_unmistakably() -> None:
    words = command(LocationId("-rf"))
    assert words[0] == sys.executable
    assert "--location=-rf" in words
    assert "--challenge" in words
    assert in_short(b"not json") == "no report"
    assert os.getpriority(os.PRIO_PROCESS, 0) < 15, "only the child is set back"
