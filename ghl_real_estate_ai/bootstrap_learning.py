"""The switchboard's part for learning: trains a location's models in a process of its own. Called by ``bootstrap``.

``enterprisehub train --location ID --challenge`` opens the same database, takes the lowest priority, and ends. LightGBM is
imported there only: it costs seconds of start and 180 MB (docs/adr/0010).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from ghl_real_estate_ai.errors import TrainingFailed
from ghl_real_estate_ai.limits import LEARN_TIMEOUT_S
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.services.model_learning import Learn
from ghl_real_estate_ai.settings import Settings

_TOLD = 500
"""Characters of a failed training's last words that are logged."""


def learning_process(settings: Settings) -> Learn:
    """Trains by ``enterprisehub train`` with this process's database and data folder."""
    environment = {
        **os.environ,
        "ENTERPRISEHUB_DATA_DIR": str(settings.data_dir.resolve()),
        "DATABASE_URL": settings.database_url,
    }

    async def learn(location_id: LocationId) -> str:
        try:
            process = await asyncio.create_subprocess_exec(
                *command(location_id),
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:  # no memory, too many processes
            raise TrainingFailed(f"training could not be started: {error}") from error
        try:
            async with asyncio.timeout(LEARN_TIMEOUT_S):
                said, complained = await process.communicate()
        except TimeoutError as error:
            raise TrainingFailed(
                f"training took longer than {LEARN_TIMEOUT_S:.0f} s and was ended"
            ) from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            words = complained.decode(errors="replace").strip()[-_TOLD:]
            raise TrainingFailed(f"training ended with {process.returncode}: {words}")
        return in_short(said)

    return learn


def command(location_id: LocationId) -> tuple[str, ...]:
    """What is run."""
    enterprisehub = (sys.executable, "-m", "ghl_real_estate_ai.cli")
    return (*enterprisehub, "train", f"--location={location_id}", "--challenge", "--json")


def in_short(report: bytes) -> str:
    """Who answers now, by model, from the command's JSON."""
    try:
        models = json.loads(report)["models"]
        return ", ".join(f"{model['name']}: {model['winner']} {model['version']}" for model in models)
    except (ValueError, KeyError, TypeError):
        return "no report"
