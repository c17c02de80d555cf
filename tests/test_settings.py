"""Secrets that the installation makes for itself, and which API counts as GoHighLevel's own."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ghl_real_estate_ai.errors import ConfigurationError
from ghl_real_estate_ai.settings import Settings, load_settings


def test_processes_that_start_together_share_one_secret(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new")
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: settings.sealing_secret(), range(40)))
    assert len(made) == 1
    assert made != {settings.signing_secret()}
    kept = settings.data_dir / "encryption_key"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert sorted(path.name for path in settings.data_dir.iterdir()) == ["encryption_key", "jwt_secret"]


def test_a_configured_key_is_used_and_a_short_one_refused(tmp_path: Path) -> None:
    assert load_settings(data_dir=tmp_path, encryption_key="k" * 32).sealing_secret() == "k" * 32
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConfigurationError, match=r"ENTERPRISEHUB_ENCRYPTION_KEY.*32 characters"):
        load_settings(encryption_key="short")


def test_a_damaged_key_says_what_deleting_it_costs(tmp_path: Path) -> None:
    (tmp_path / "encryption_key").write_text("cut")
    with pytest.raises(ConfigurationError, match="connected again"):
        Settings(data_dir=tmp_path).sealing_secret()


def test_only_gohighlevels_own_address_is_real() -> None:
    assert not Settings().ghl_is_simulated
    assert not Settings(ghl_api_url="https://services.leadconnectorhq.com/").ghl_is_simulated
    assert Settings(ghl_api_url="http://127.0.0.1:9100").ghl_is_simulated
