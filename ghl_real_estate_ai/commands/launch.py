"""Starting and stopping the processes: gateway, dashboard, and the demo that joins them with a simulated brokerage.

Called by ``cli.py``. The dashboard is a process of its own: a Streamlit rerun must never hold the gateway's loop.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

from ghl_real_estate_ai import bootstrap, telemetry
from ghl_real_estate_ai.commands import garbage
from ghl_real_estate_ai.errors import ConfigurationError, EnterpriseHubError
from ghl_real_estate_ai.limits import CLIENT_FRAME_BYTES
from ghl_real_estate_ai.settings import Settings
from ghl_real_estate_ai.streamlit_components import theme

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from ghl_real_estate_ai.api.app import Running

_log = telemetry.get_logger("launch")

READY_TIMEOUT_S = 60.0
"""Longest wait for a child process to answer; a cold machine reads its libraries from disk."""

STOP_TIMEOUT_S = 10.0
"""Wait for a clean stop before a child is killed."""

_PORT_FREED_S = 2.0
"""A dashboard whose gateway was killed is gone by then."""

_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG; outlives the exec
if os.getppid() != int(sys.argv[1]):  # it ended before we asked
    sys.exit(1)
os.execvp(sys.argv[2], sys.argv[3:])
"""

_SWITCH_INTERVAL_S = 0.0005
"""Threads beside the loop may hold the interpreter this long; the default of 5 ms would be seen on the screens."""


def run_gateway(
    settings: Settings,
    *,
    running: Running = bootstrap.running,
    role: bootstrap.ProcessRole = bootstrap.ProcessRole.ALL,
) -> None:
    """Serve the API in this process until SIGINT or SIGTERM. Raises what stopped it, if anything else did.

    ``role``: of the services that ``running`` opens. A worker serves health and metrics only.
    """
    # here: `enterprisehub user add` must not pay for a web server
    from ghl_real_estate_ai.api.app import create_app, create_worker_app

    _refuse_taken_port(settings.host, settings.port, "ENTERPRISEHUB_PORT")
    telemetry.configure_logging(level=settings.log_level, as_json=settings.log_json)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    failures: list[EnterpriseHubError] = []

    @asynccontextmanager
    async def watched(settings: Settings) -> AsyncIterator[bootstrap.Services]:
        try:
            async with running(settings) as services:
                garbage.settle()
                yield services
        except Exception as error:
            failures.append(_what_stopped_it(error))
            # uvicorn would go on answering, with nothing behind its door: stop, so that a supervisor starts us again
            server.should_exit = True
            raise

    create = create_app if role.shows else create_worker_app
    server = _uvicorn(create(settings, running=watched), settings)
    try:
        with suppress(KeyboardInterrupt):
            server.run()
    except SystemExit:  # uvicorn's, after a start that failed: what failed is said better by us
        if not failures:
            raise
    if failures:
        raise failures[0]


def _what_stopped_it(error: Exception) -> EnterpriseHubError:
    """Ours as it is; of a bug its type and place, not its words: they may quote what a lead wrote."""
    cause: BaseException = error
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    if isinstance(cause, EnterpriseHubError):
        return cause
    crash = telemetry.crash_of(cause)
    _log.critical("gateway.crashed", **crash)
    return EnterpriseHubError(f"this process stopped: {crash['error']} at {crash['place']}; please report it")


def _uvicorn(app: FastAPI, settings: Settings) -> uvicorn.Server:
    import uvicorn  # see run_gateway

    from ghl_real_estate_ai.api.http_protocol import HttpProtocol
    from ghl_real_estate_ai.api.socket_protocol import SocketProtocol

    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            http=HttpProtocol,
            ws=SocketProtocol,
            ws_ping_interval=None,  # the hub pings, in messages that a browser's code sees: two heartbeats would disagree
            ws_per_message_deflate=False,
            ws_max_size=CLIENT_FRAME_BYTES,
            backlog=4096,
            log_level="critical",  # what goes wrong is logged by the room where it does
            access_log=False,
            timeout_graceful_shutdown=5,
        )
    )


def become_dashboard(settings: Settings) -> None:
    """Serve the dashboard alone: this process becomes it. Raises ConfigurationError when its port is taken."""
    _refuse_taken_port(settings.host, settings.dashboard_port, "ENTERPRISEHUB_DASHBOARD_PORT")
    command = dashboard_command(settings)
    os.execve(command[0], command, environment(settings))  # noqa: S606  # reason: our own command, no shell


def dashboard_command(settings: Settings) -> list[str]:
    """The command that serves the screens."""
    script = Path(__file__).parents[1] / "streamlit_components" / "app.py"
    flags = {
        "server.address": settings.host,
        "server.port": settings.dashboard_port,
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.runOnSave": "false",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "logger.level": "warning",
        **theme.widget_colours(),
    }
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    return [sys.executable, "-m", "streamlit", "run", str(script), *arguments]


def environment(settings: Settings) -> dict[str, str]:
    """The environment in which a child process reads the same settings."""
    names = Settings.model_fields
    values: dict[str, str] = {}
    for name in names:
        value = getattr(settings, name)
        key = "DATABASE_URL" if name == "database_url" else f"ENTERPRISEHUB_{name.upper()}"
        if isinstance(value, tuple):
            values[key] = ",".join(value)
        elif isinstance(value, dict):
            values[key] = json.dumps(value)
        else:
            values[key] = str(value)
    return {**os.environ, **values}


def _dying_with_us(command: list[str], program: str | None) -> tuple[list[str], str | None]:
    """What to start, and as which file, for a child that ends when we do, even by SIGKILL; elsewhere than on Linux it may stay.

    The system watches the thread that starts the child.
    """
    if sys.platform != "linux":
        return command, program
    start = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT]
    return [*start, str(os.getpid()), program or command[0], *command], None


@contextmanager
def child(
    command: list[str], *, env: Mapping[str, str], log: Path | None = None, program: str | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A child process in a session of its own (Ctrl-C reaches us first); stopped and reaped on leaving.

    It ends with us even when we are killed: nothing of a demo or a bench stays behind. Call it from the main thread.
    ``program``: the file to run, if the command goes by another name.
    """
    arguments, executable = _dying_with_us(command, program)
    with _output(log) as output:
        process = subprocess.Popen(  # noqa: S603  # reason: our own commands, no shell
            arguments,
            executable=executable,
            env=dict(env),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            yield process
        finally:
            stop(process)


@contextmanager
def _output(log: Path | None) -> Iterator[int | None]:
    if log is None:
        yield None
        return
    with log.open("ab") as stream:
        yield stream.fileno()


def stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, then SIGKILL after STOP_TIMEOUT_S."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until_ready(url: str, *, process: subprocess.Popen[bytes], log: Path | None = None) -> float:
    """Seconds until ``url`` answers 200. Raises ConfigurationError with the child's last words if it ends or stays silent."""
    started = time.monotonic()
    while time.monotonic() - started < READY_TIMEOUT_S:
        if process.poll() is not None:
            raise ConfigurationError(
                f"the process behind {url} ended with code {process.returncode}: {last_words(log)}"
            )
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310  # reason: our own http:// URL
                if answer.status == 200:
                    return time.monotonic() - started
        except (OSError, HTTPException):  # the latter: connected with ourselves, nobody listens
            pass
        time.sleep(0.02)
    raise ConfigurationError(f"{url} did not answer within {READY_TIMEOUT_S:.0f} s: {last_words(log)}")


def wait_until_listening(port: int, *, process: subprocess.Popen[bytes], name: str) -> None:
    """Until somebody takes connections at this port of ours. Raises ConfigurationError if the process ends or stays silent."""
    started = time.monotonic()
    while time.monotonic() - started < READY_TIMEOUT_S and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise ConfigurationError(f"{name} does not listen; it ended with {process.poll()}")


def last_words(log: Path | None) -> str:
    """The last line that a child wrote."""
    if log is None or not log.exists():
        return "see its output above"
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it printed nothing"


def free_port(preferred: int, host: str = "127.0.0.1") -> int:
    """``preferred`` if nobody listens there, else one that the system gives."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ConfigurationError(f"no free port on {host}")


def refuse_taken_port(settings: Settings) -> None:
    """Raises ConfigurationError when something else listens where the gateway is to."""
    _refuse_taken_port(settings.host, settings.port, "ENTERPRISEHUB_PORT")


def why_no_dashboard(settings: Settings) -> str | None:
    """What keeps the dashboard from its port; None: nothing. A port may take a moment to be free after a hard end."""
    started = time.monotonic()
    while True:
        try:
            _refuse_taken_port(settings.host, settings.dashboard_port, "ENTERPRISEHUB_DASHBOARD_PORT")
        except ConfigurationError as error:
            if time.monotonic() - started > _PORT_FREED_S:
                return str(error)
            time.sleep(0.05)
        else:
            return None


def _refuse_taken_port(host: str, port: int, setting: str) -> None:
    if free_port(port, host) != port:
        pid = _listener(port)
        other = "the other program" if pid is None else f"process {pid}"
        raise ConfigurationError(f"port {port} is taken; stop {other} or set {setting} to a free port")


def _listener(port: int) -> int | None:
    """The process that listens there, if the system lets us see it (Linux, the same user)."""
    sockets = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        with suppress(OSError):
            for line in table.read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == "0A" and int(columns[1].rpartition(":")[2], 16) == port:
                    sockets.add(f"socket:[{columns[9]}]")
    if not sockets:
        return None
    for held in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if str(held.readlink()) in sockets:
                return int(held.parts[2])
    return None


def serve(
    settings: Settings,
    *,
    with_dashboard: bool,
    role: bootstrap.ProcessRole = bootstrap.ProcessRole.ALL,
) -> None:
    """One process of this role, the dashboard beside it unless it is a worker, until Ctrl-C or SIGTERM.

    Ask ``why_no_dashboard`` first: webhooks must not wait for screens.
    """
    running = partial(bootstrap.running, role=role)
    if not with_dashboard or not role.shows:
        run_gateway(settings, running=running, role=role)
        return
    # uvicorn raises the signal again after its clean stop: as an exception it lets the dashboard be stopped too
    with sigterm_as_interrupt(), child(dashboard_command(settings), env=environment(settings)):
        run_gateway(settings, running=running, role=role)


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """SIGTERM leaves by the same clean way as Ctrl-C."""

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
