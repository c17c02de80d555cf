"""Everything that the environment may decide. Read by ``bootstrap``, ``cli``, ``api/app`` and ``streamlit_components/app`` only."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from ghl_real_estate_ai.errors import ConfigurationError

GHL_PUBLIC_KEY = "MCowBQYDK2VwAyEAi2HR1srL4o18O8BRa7gVJY7G7bupbN3H9AwJrHCDiOg="
"""HighLevel's Ed25519 webhook key (SPKI, base64), published in its Webhook Integration Guide. One key for all apps."""

GHL_API_URL = "https://services.leadconnectorhq.com"
"""GoHighLevel's own API. What any other address says is stored, and shown, as simulated."""

GHL_INSTALL_URL = "https://marketplace.gohighlevel.com/v2/oauth/chooselocation"
"""Where an account's owner chooses the location to install an app for; agencies with a white label have their own."""


_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104  # reason: compared with, not listened on


_SECRET_CHARACTERS = 32
"""Fewest characters of a secret that signs or seals."""


class Settings(BaseSettings):
    """One field per environment variable ``ENTERPRISEHUB_<FIELD>``; ``DATABASE_URL`` is read without the prefix too."""

    model_config = SettingsConfigDict(
        env_prefix="ENTERPRISEHUB_", env_file=".env", extra="ignore", frozen=True, populate_by_name=True
    )

    data_dir: Path = Field(
        default=Path("data"), description="Folder of the SQLite file, the secret and trained models."
    )
    database_url: str = Field(
        default="",
        validation_alias="DATABASE_URL",
        description="SQLAlchemy URL; empty means SQLite in data_dir. PostgreSQL: postgresql://user:password@host/name.",
    )
    redis_url: str = Field(
        default="",
        repr=False,
        description="Redis that several processes share, e.g. redis://host:6379/0; empty means that one process does everything.",
    )
    sqlite_synchronous: Literal["FULL", "NORMAL"] = Field(
        default="FULL",
        description="FULL survives power loss (one fsync per group commit); NORMAL survives a process crash only.",
    )
    host: str = Field(
        default="127.0.0.1", description="Address that the gateway and the dashboard listen on."
    )
    port: int = Field(
        default=8000, ge=1, le=65535, description="Port of the gateway (webhooks, REST, WebSocket)."
    )
    dashboard_port: int = Field(default=8501, ge=1, le=65535, description="Port of the dashboard.")
    public_url: str = Field(
        default="", description="URL under which browsers reach the gateway; empty means http://host:port."
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Origins that may call the API from a browser, comma separated; the dashboard's own is always in.",
    )
    jwt_secret: str = Field(
        default="",
        description="Secret that signs access tokens, 32 characters or more; empty means one generated in data_dir.",
    )
    access_token_minutes: int = Field(default=480, ge=1, le=1440, description="Life of an access token.")
    ghl_public_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(GHL_PUBLIC_KEY,),
        description="Ed25519 keys (SPKI, base64, comma separated) whose webhooks are accepted.",
    )
    simulator_public_key: str = Field(
        default="",
        description="Ed25519 key of a simulator; what it signs is stored and shown as simulated. Empty: none accepted.",
    )
    ghl_wish_fields: dict[str, str] = Field(
        default_factory=dict,
        description='JSON map from a GHL custom field id to the wish it states, e.g. {"kx8f...": "max_list_price"}.',
    )
    ghl_api_url: str = Field(
        default=GHL_API_URL,
        description="Address of GoHighLevel's API. Data from any other address counts as simulated.",
    )
    ghl_install_url: str = Field(
        default=GHL_INSTALL_URL, description="Page on which an account's owner installs the marketplace app."
    )
    ghl_api_version: Literal["v3", "dates"] = Field(
        default="v3", description="Version header of API calls: v3, or the older date versions."
    )
    ghl_client_id: str = Field(
        default="", description="Client id of your marketplace app; not needed with private tokens."
    )
    ghl_client_secret: str = Field(
        default="", repr=False, description="Client secret of your marketplace app."
    )
    encryption_key: str = Field(
        default="",
        repr=False,
        description="Secret that seals the CRM's tokens in the database, 32 characters or more; "
        "empty means one generated in data_dir. Without it they cannot be read again.",
    )
    typical_deal_value: float = Field(
        default=9_000.0,
        gt=0,
        allow_inf_nan=False,
        description="What a won deal brings, US dollars, where the CRM states no value: ranks the queue. Take what you enter as deal value.",
    )
    learn_daily: bool = Field(
        default=True,
        description="Learn each location's models anew from its own history, at most once a day, at low priority.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severe log line shown."
    )
    log_json: bool = Field(default=False, description="Log lines as JSON, for a collector.")

    @field_validator("allowed_origins", "ghl_public_keys", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("jwt_secret", "encryption_key")
    @classmethod
    def _long_enough(cls, value: str) -> str:
        if value and len(value) < _SECRET_CHARACTERS:
            raise ValueError("must have 32 characters or more; `openssl rand -hex 32` makes one")
        return value

    @property
    def gateway_url(self) -> str:
        """Where browsers and the simulator reach the gateway; on this machine only, unless ``public_url`` is set."""
        return self.public_url.rstrip("/") or f"http://{self._reachable_host}:{self.port}"

    @property
    def dashboard_url(self) -> str:
        """Where browsers reach the dashboard."""
        return f"http://{self._reachable_host}:{self.dashboard_port}"

    @property
    def public_url_is_missing(self) -> bool:
        """Listening on every address, but browsers on other machines are not told which to use."""
        return self.host in _EVERY_ADDRESS and not self.public_url

    @property
    def _reachable_host(self) -> str:
        return "127.0.0.1" if self.host in _EVERY_ADDRESS else self.host

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins allowed to call the API: the configured ones, the dashboard's and the gateway's own."""
        local = {
            f"http://{name}:{port}"
            for name in ("127.0.0.1", "localhost")
            for port in (self.port, self.dashboard_port)
        }
        return tuple(sorted({*self.allowed_origins, self.dashboard_url, self.gateway_url, *local}))

    @property
    def oauth_callback_url(self) -> str:
        """Where GoHighLevel sends the account's owner back to; must be registered in the marketplace app."""
        return f"{self.gateway_url}/oauth/ghl/callback"

    @property
    def ghl_is_simulated(self) -> bool:
        """Whether the API is somebody else's than GoHighLevel's own."""
        return self.ghl_api_url.rstrip("/") != GHL_API_URL

    def signing_secret(self) -> str:
        """The token secret: the configured one, else one made once and kept in ``data_dir/jwt_secret`` (mode 0600)."""
        return self.jwt_secret or self._kept_secret("jwt_secret", loss="users sign in again")

    def sealing_secret(self) -> str:
        """What seals the CRM's tokens: the configured one, else one made once and kept in ``data_dir/encryption_key``."""
        return self.encryption_key or self._kept_secret(
            "encryption_key", loss="each account is connected again"
        )

    def _kept_secret(self, name: str, *, loss: str) -> str:
        path = self.data_dir / name
        if not path.exists():
            self.data_dir.mkdir(parents=True, exist_ok=True)
            _make_secret(path)
        secret = path.read_text().strip()
        if len(secret) < _SECRET_CHARACTERS:  # cut short by a full disk: it could be guessed
            raise ConfigurationError(f"{path} is damaged; delete it, and a new one is made ({loss})")
        return secret


def _make_secret(path: Path) -> None:
    """Whole or not at all, and once: gateway and a command may start together, and must end with the same secret."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-") as draft:  # mode 0600
        draft.write(secrets.token_hex(32))
        draft.flush()
        with suppress(FileExistsError):
            os.link(draft.name, path)


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment, with overrides by field name; a bad value is one line that names the variable."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # reason: overrides are checked by pydantic itself
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]).upper()
        prefix = "" if name == "DATABASE_URL" else "ENTERPRISEHUB_"
        raise ConfigurationError(f"setting {prefix}{name}: {first['msg']}") from error
    except SettingsError as error:  # the only setting that is read as JSON
        raise ConfigurationError(
            'setting ENTERPRISEHUB_GHL_WISH_FIELDS: not a JSON map; write e.g. {"kx8fQ2": "max_list_price"}'
        ) from error
