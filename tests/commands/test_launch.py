"""Processes: started, waited for, stopped; and the gateway and the demo as an operator starts them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from ghl_real_estate_ai.commands import launch
from ghl_real_estate_ai.errors import ConfigurationError
from ghl_real_estate_ai.settings import Settings, load_settings
from tests.support.memory import sqlite_url
from tests.support.ports import port_of_its_own
from tests.support.redis import RedisServer


def test_a_child_reads_the_same_settings(tmp_path: Path) -> None:
    settings = load_settings(
        data_dir=tmp_path,
        port=8123,
        allowed_origins=("https://a.example", "https://b.example"),
        ghl_wish_fields={"x": "city"},
    )
    with launch.child(
        [
            sys.executable,
            "-c",
            "from ghl_real_estate_ai.settings import load_settings; print(load_settings().model_dump_json())",
        ],
        env=launch.environment(settings),
        log=tmp_path / "log",
    ) as process:
        assert process.wait(30) == 0
    assert Settings.model_validate_json((tmp_path / "log").read_text()) == settings


def test_a_child_is_stopped_on_leaving(tmp_path: Path) -> None:
    with launch.child([sys.executable, "-c", "import time; time.sleep(60)"], env=os.environ) as process:
        assert process.poll() is None
    assert process.returncode == -signal.SIGTERM


def test_a_child_that_ends_early_is_reported_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", "print('no such table'); raise SystemExit(3)"]
    with (
        launch.child(command, env=os.environ, log=log) as process,
        pytest.raises(ConfigurationError, match="code 3: no such table"),
    ):
        launch.wait_until_ready("http://127.0.0.1:9/x", process=process, log=log)


def test_what_answers_without_speaking_http_is_not_taken_for_ready(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", "import time; time.sleep(1); print('gone'); raise SystemExit(3)"]
    with socket.create_server(("127.0.0.1", 0)) as echo:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = echo.accept()
                    with connection:
                        connection.sendall(connection.recv(1_000))

        threading.Thread(target=answer, daemon=True).start()
        url = f"http://127.0.0.1:{echo.getsockname()[1]}/x"
        with (
            launch.child(command, env=os.environ, log=log) as process,
            pytest.raises(ConfigurationError, match="code 3: gone"),
        ):
            launch.wait_until_ready(url, process=process, log=log)
        echo.shutdown(socket.SHUT_RDWR)


def test_a_taken_port_is_passed_over_or_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert launch.free_port(port) != port
        settings = load_settings(port=port)
        with pytest.raises(ConfigurationError, match=f"stop process {os.getpid()} or set ENTERPRISEHUB_PORT"):
            launch.run_gateway(settings)
        with pytest.raises(ConfigurationError, match="ENTERPRISEHUB_DASHBOARD_PORT"):
            launch.become_dashboard(load_settings(dashboard_port=port))


def test_a_gateway_starts_without_its_dashboard_when_the_dashboards_port_is_taken(tmp_path: Path) -> None:
    """Webhooks must not wait for screens; it says so, and who is in the way."""
    log = tmp_path / "server.log"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = load_settings(data_dir=tmp_path, port=port_of_its_own(), dashboard_port=port)
        with launch.child(
            [sys.executable, "-m", "ghl_real_estate_ai.cli", "serve"],
            env={**launch.environment(settings), "COLUMNS": "200"},
            log=log,
        ) as process:
            launch.wait_until_ready(f"{settings.gateway_url}/health/ready", process=process, log=log)
    assert f"not served: port {port} is taken; stop process {os.getpid()}" in log.read_text()


def test_nothing_is_said_to_be_up_when_the_gateways_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = load_settings(data_dir=tmp_path, port=taken.getsockname()[1])
        run = subprocess.run(
            [sys.executable, "-m", "ghl_real_estate_ai.cli", "serve"],
            env=launch.environment(settings),
            capture_output=True,
            text=True,
            check=False,
        )
    assert run.returncode != 0
    assert "is taken" in run.stderr
    assert "http://" not in run.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_child_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    port = port_of_its_own()
    serving = f"""
import sys, time
from ghl_real_estate_ai.commands import launch
import os
listen = "import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(60)"
with launch.child([sys.executable, "-c", listen], env=os.environ):
    time.sleep(60)
"""
    with launch.child([sys.executable, "-c", serving], env=os.environ, log=tmp_path / "log") as parent:
        launch.wait_until_listening(port, process=parent, name="the child")
        parent.kill()
        parent.wait(10)
    started = time.monotonic()
    while launch.free_port(port) != port:
        assert time.monotonic() - started < 30, "the child outlived its parent"
        time.sleep(0.05)


def test_serve_answers_and_stops_cleanly_with_its_dashboard(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path, port=port_of_its_own(), dashboard_port=port_of_its_own())
    log = tmp_path / "server.log"
    with launch.child(
        [sys.executable, "-m", "ghl_real_estate_ai.cli", "serve"], env=launch.environment(settings), log=log
    ) as process:
        launch.wait_until_ready(f"{settings.gateway_url}/health/ready", process=process, log=log)
        launch.wait_until_ready(f"{settings.dashboard_url}/_stcore/health", process=process, log=log)
        process.send_signal(signal.SIGINT)
        process.wait(60)
    for port in (settings.port, settings.dashboard_port):
        assert launch.free_port(port) == port, "something still listens"
    assert "Traceback" not in log.read_text()


def test_a_gateway_whose_inside_crashed_ends_and_says_so_without_personal_data(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path, port=port_of_its_own())
    environment, log = launch.environment(settings), tmp_path / "server.log"
    command = [sys.executable, "-m", "ghl_real_estate_ai.cli"]
    subprocess.run([*command, "location", "add", "loc"], env=environment, check=True)
    with launch.child([*command, "serve", "--no-dashboard"], env=environment, log=log) as process:
        launch.wait_until_ready(f"{settings.gateway_url}/health/ready", process=process, log=log)
        with contextlib.closing(sqlite3.connect(tmp_path / "enterprisehub.db")) as database, database:
            database.execute("INSERT INTO event_heads (location_id, position) VALUES ('loc', 1)")
            database.execute(
                "INSERT INTO events (location_id, position, event_id, delivery_id, type, occurred_at, received_at,"
                " recorded_at, source, simulated, payload) VALUES ('loc', 1, 'e', 'd', 'MessageReceived',"
                " 0, '+1 555 010 0199', 0, 'api', 0, '{}')"
            )
        assert process.wait(60) == 1
    said = log.read_text()
    assert "this process stopped: " in said
    assert "555" not in said
    assert "Traceback" not in said


def test_the_demo_shows_a_live_brokerage_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    environment = {
        **os.environ,
        "ENTERPRISEHUB_PORT": str(port_of_its_own()),
        "ENTERPRISEHUB_DASHBOARD_PORT": str(port_of_its_own()),
    }
    command = [
        sys.executable,
        "-m",
        "ghl_real_estate_ai.cli",
        "demo",
        "--data-dir",
        str(folder),
        "--leads",
        "12",
    ]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    said: dict[str, str] = {}
    for line in process.stdout:
        words = line.split()
        if words[:1] == ["open"]:
            said["url"] = words[1]
        if words[:2] == ["sign", "in"]:
            said["email"] = words[2]
        if words[:1] == ["password"]:
            said["password"] = words[1]
        if "Ctrl-C" in line:
            break
    gateway = f"http://127.0.0.1:{environment['ENTERPRISEHUB_PORT']}"
    token = _post(f"{gateway}/v1/sessions", {"email": said["email"], "password": said["password"]})[
        "access_token"
    ]
    leads = _leads_once_scored(gateway, token)
    assert all(lead["simulated"] for lead in leads)
    with urllib.request.urlopen(said["url"], timeout=30) as page:
        assert page.status == 200
    process.send_signal(signal.SIGINT)
    with process:
        rest = process.stdout.read()
    assert process.returncode == 0, rest
    for port in (environment["ENTERPRISEHUB_PORT"], environment["ENTERPRISEHUB_DASHBOARD_PORT"]):
        assert launch.free_port(int(port)) == int(port), "something still listens"
    assert "stopped; nothing keeps running" in rest
    assert "Traceback" not in rest


def _post(url: str, body: dict[str, str]) -> dict[str, str]:
    request = urllib.request.Request(
        url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, str] = json.load(answer)
        return found


def _leads_once_scored(gateway: str, token: str) -> list[dict[str, object]]:
    request = urllib.request.Request(f"{gateway}/v1/leads", headers={"Authorization": f"Bearer {token}"})
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        with urllib.request.urlopen(request, timeout=30) as answer:
            items: list[dict[str, object]] = json.load(answer)["items"]
        if len(items) >= 10 and all(item["intelligence"] for item in items):
            return items
        time.sleep(0.2)
    raise AssertionError("the demo's leads were not scored in time")


@pytest.mark.parametrize(
    ("arguments", "urls", "fix"),
    [
        (["--role", "gateway"], {}, "ENTERPRISEHUB_REDIS_URL"),
        (["--role", "worker"], {}, "ENTERPRISEHUB_REDIS_URL"),
        (["--role", "worker"], {"redis_url": "redis://127.0.0.1:1/0"}, "DATABASE_URL"),
        (["--no-dashboard"], {"database_url": "postgresql://nobody@127.0.0.1:1/none"}, "database"),
    ],
)
def test_what_keeps_serve_from_starting_is_one_line_with_the_fix(
    tmp_path: Path, arguments: list[str], urls: dict[str, str], fix: str
) -> None:
    settings = load_settings(
        data_dir=tmp_path, port=port_of_its_own(), dashboard_port=port_of_its_own(), **urls
    )
    done = subprocess.run(
        [sys.executable, "-m", "ghl_real_estate_ai.cli", "serve", *arguments],
        env=launch.environment(settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert fix in last
    assert "Traceback" not in done.stderr


def answer_of(url: str) -> tuple[int, str]:
    """Status and body, whatever the status."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("role", ["worker", "gateway"])
def test_a_role_starts_without_redis_says_so_and_works_once_it_is_there(
    tmp_path: Path, own_redis: RedisServer, role: str
) -> None:
    own_redis.kill()
    settings = load_settings(
        data_dir=tmp_path,
        port=port_of_its_own(),
        database_url=sqlite_url(tmp_path),
        redis_url=own_redis.url(),
    )
    log = tmp_path / "server.log"
    command = [sys.executable, "-m", "ghl_real_estate_ai.cli", "serve", "--no-dashboard", "--role", role]
    url = f"http://127.0.0.1:{settings.port}"

    def check(said: str) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            readiness = json.loads(answer_of(f"{url}/health/ready")[1])
            if readiness["checks"]["redis"].startswith(said):
                break
            time.sleep(0.05)
        assert readiness["role"] == role
        assert readiness["ready"]
        assert readiness["checks"]["redis"].startswith(said)

    with launch.child(command, env=launch.environment(settings), log=log) as process:
        launch.wait_until_ready(f"{url}/health/ready", process=process, log=log)
        check("degraded since 2")
        own_redis.start()
        check("ok")
        assert answer_of(f"{url}/metrics")[0] == 200
        assert answer_of(f"{url}/v1/leads")[0] == (404 if role == "worker" else 401)
    assert log.read_text().count("redis.silent") == 1
