"""A private PostgreSQL for the tests: its own cluster in a temporary folder, on a free port, gone at the end.

Gives the fixtures ``postgres_server`` (one per session) and ``postgres_url`` (a fresh database per test).
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.ports import port_of_its_own

MISSING = "PostgreSQL's server programs are missing; `apt-get install --no-install-recommends postgresql` brings them"
START_WAIT_S = 60.0
STOP_WAIT_S = 20.0
SETTINGS = ("listen_addresses=127.0.0.1", "fsync=on", "max_connections=60", "shared_buffers=32MB")


def find_programs() -> Path | None:
    """The folder that holds ``initdb`` and ``postgres``: Debian keeps them off the PATH, in one folder per version."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True
    )
    on_path = shutil.which("initdb")
    if on_path:
        found.append(Path(on_path).parent)
    return next((path for path in found if (path / "initdb").exists() and (path / "postgres").exists()), None)


def required_programs() -> Path:
    """The same; without them the test is skipped, or fails where ENTERPRISEHUB_REQUIRE_POSTGRES=1 demands them."""
    programs = find_programs()
    if programs is not None:
        return programs
    if os.environ.get("ENTERPRISEHUB_REQUIRE_POSTGRES") == "1":
        pytest.fail(MISSING)
    pytest.skip(MISSING)


class PostgresServer:
    """One cluster. ``restart`` is there for tests of a lost connection."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = _unprivileged_user()
        self.port = port_of_its_own()

    def url(self, database: str) -> str:
        """The URL as an operator writes it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create(self) -> None:
        """Make the cluster's files."""
        if self._owner is not None:
            shutil.chown(self._folder, self._owner)
        subprocess.run(
            (
                f"{self._programs}/initdb -D {self._folder}/data -U postgres -A trust "
                "-E UTF8 --locale=C.UTF-8 --no-sync"
            ).split(),
            user=self._owner,
            cwd=self._folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def start(self) -> None:
        """Start, and return when it answers."""
        options = " ".join(f"-c {setting}" for setting in SETTINGS)
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                f"{self._programs}/postgres -D {self._folder}/data -k {self._folder} -p {self.port} {options}".split(),
                user=self._owner,
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_WAIT_S
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: a clean, fast stop. SIGQUIT: as good as a crash, with recovery at the next start."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(STOP_WAIT_S)
        self._process = None

    def new_database(self) -> str:
        """The name of a fresh, empty database."""
        name = f"test_{uuid.uuid4().hex}"
        self._administer(f'CREATE DATABASE "{name}"')
        return name

    def drop_database(self, name: str) -> None:
        """Drop it, and cut whoever is still connected."""
        self._administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _administer(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


def _unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root; then it runs as one of these. None: as whoever we are."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running cluster; skips with one line when the programs are missing, fails when they are required."""
    programs = required_programs()
    # Not pytest's own folder: that one is closed to the user that the server runs as.
    with tempfile.TemporaryDirectory(prefix="enterprisehub-postgres-") as folder:
        server = PostgresServer(programs, Path(folder))
        server.create()
        server.start()
        yield server
        server.stop()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a fresh database."""
    name = postgres_server.new_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)
