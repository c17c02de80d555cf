"""Children of tests, forked from a server that has the house loaded already: none of them spends seconds on imports."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    ["__main__", *(f"tests.support.{name}_child" for name in ("crash", "import", "token"))]
)


@contextmanager
def child(run: Callable[..., None], *arguments: object) -> Iterator[ForkServerProcess]:
    """A process of its own, gone when the block is left."""
    process = _SERVER.Process(target=run, args=arguments)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
        process.close()


def exit_code(run: Callable[..., None], *arguments: object, timeout_s: float = 120) -> int | None:
    """How it ended by itself: a negative number is the signal that ended it; None: it did not."""
    with child(run, *arguments) as process:
        process.join(timeout_s)
        return process.exitcode


@contextmanager
def talking_child(run: Callable[..., None], *arguments: object) -> Iterator[Connection]:
    """One that is handed its end of a wire before its arguments; yields the other end."""
    ours, its = _SERVER.Pipe()
    with ours, its, child(run, its, *arguments):
        yield ours
