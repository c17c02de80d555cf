"""The container files agree with the program, as far as that can be seen without running them; and say that they were not."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from ghl_real_estate_ai.cli import app
from ghl_real_estate_ai.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
SETTINGS = {
    str(f.validation_alias or f"ENTERPRISEHUB_{name.upper()}") for name, f in Settings.model_fields.items()
}


@pytest.fixture(name="compose")
def _compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return loaded


def test_each_file_says_that_it_was_not_run() -> None:
    for name in ("Dockerfile", "compose.yaml"):
        assert "NOT RUN by its authors" in (DEPLOY / name).read_text(), name


def test_every_setting_that_is_given_exists(compose: dict[str, Any]) -> None:
    given = {name for service in compose["services"].values() for name in service.get("environment", {})}
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    given |= set(re.findall(r"(ENTERPRISEHUB_[A-Z_]+)=", dockerfile))
    assert {name for name in given if name.startswith(("ENTERPRISEHUB_", "DATABASE_"))} <= SETTINGS


def test_every_variable_of_the_compose_file_is_in_the_example(compose: dict[str, Any]) -> None:
    wanted = set(re.findall(r"\$\{([A-Z_]+)", (DEPLOY / "compose.yaml").read_text()))
    wanted |= set(re.findall(r"\{\$([A-Z_]+)\}", (DEPLOY / "Caddyfile").read_text()))
    example = set(re.findall(r"^([A-Z_]+)=", (DEPLOY / "example.env").read_text(), re.MULTILINE))
    assert wanted == example


def test_services_depend_on_services_that_there_are(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert set(service.get("depends_on", {})) <= set(compose["services"]), name
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in compose["volumes"] or (DEPLOY / source).exists(), volume


def test_each_command_is_one_that_the_program_has(compose: dict[str, Any]) -> None:
    roles = set()
    for service in compose["services"].values():
        if service.get("image") != "enterprisehub":
            continue
        command = service["command"]
        shown = CliRunner().invoke(
            app, [command[0], "--help"], env={"TERMINAL_WIDTH": "200", "NO_COLOR": "1"}
        )
        assert shown.exit_code == 0, command
        for option in (part for part in command if part.startswith("--")):
            assert option in shown.output, command
        if "--role" in command:
            roles.add(command[command.index("--role") + 1])
    assert roles == {"gateway", "worker"}


def test_the_image_copies_what_there_is_and_ignores_the_rest() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    copied = {
        source for line in re.findall(r"^COPY (.+) \S+$", dockerfile, re.MULTILINE) for source in line.split()
    }
    assert all((ROOT / source).exists() for source in copied)
    kept = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    assert copied == kept


def test_the_package_that_the_image_installs_holds_every_file() -> None:
    """An image has no checkout beside it: what is not package data is missing there."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = config["tool"]["setuptools"]["package-data"]["ghl_real_estate_ai"]
    package = ROOT / "ghl_real_estate_ai"
    held = {path for pattern in patterns for path in package.glob(pattern)} | set(package.rglob("*.py"))
    listed = subprocess.run(
        ["git", "ls-files", "ghl_real_estate_ai"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    missing = [name for name in listed.stdout.split() if ROOT / name not in held]
    assert missing == []


@pytest.mark.parametrize("file", ["Dockerfile", "compose.yaml", "Caddyfile", "example.env"])
def test_no_secret_is_in_the_files(file: str) -> None:
    text = (DEPLOY / file).read_text()
    assert not re.search(r"(SECRET|PASSWORD|KEY)=[A-Za-z0-9]{8,}", text)


def test_the_proxy_file_is_valid_where_the_proxy_is_installed() -> None:
    caddy = shutil.which("caddy")
    if caddy is None:
        pytest.skip("caddy is not installed; `apt-get install caddy` lets this check its file")
    checked = subprocess.run(
        [caddy, "validate", "--config", str(DEPLOY / "Caddyfile"), "--adapter", "caddyfile"],
        env={"DOMAIN": "hub.example.com", "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr[-2_000:]
