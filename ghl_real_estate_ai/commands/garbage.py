"""Garbage of a server that holds much for long: what has come to stay is not walked again and again while screens wait.

Called by ``launch``. A full collection of a process that holds thousands of leads and frames takes 150 ms, in which nothing
else happens; Python starts one whenever the held objects have grown by a quarter. Here it walks only what is new since the last.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from typing import Final

COLLECT_AFTER: Final = 10_000
"""New objects before Python looks for rings of garbage; its own 700 walk all sockets of a storm of handshakes again and again."""

THOROUGH_EVERY_S: Final = 3_600.0
"""How often everything is walked after all: what stayed for a while and went in a ring (a socket's session) is found then."""

_OLDEST: Final = 2


class Stayers:
    """A ``gc.callbacks`` entry: what survives a full collection is left alone until the next thorough one."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._thorough_at = now() + THOROUGH_EVERY_S

    def __call__(self, phase: str, info: Mapping[str, int]) -> None:
        """Before ("start") and after ("stop") each collection."""
        if info["generation"] != _OLDEST:
            return
        if phase == "stop":
            gc.freeze()
        elif self._now() >= self._thorough_at:
            self._thorough_at = self._now() + THOROUGH_EVERY_S
            gc.unfreeze()


def settle() -> None:
    """From here on: what was loaded at start has come to stay."""
    gc.set_threshold(COLLECT_AFTER)
    gc.callbacks.append(Stayers())
    gc.collect()
