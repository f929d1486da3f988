"""The settings, from the environment; what is wrong is refused with a sentence."""

import os
import secrets
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core import clock

MIN_SECRET_LENGTH = 32
MIN_TOKEN_LENGTH = 16
CLOCK_FILE = "clock-ahead-s"


class SettingsRefused(Exception):
    """The settings are wrong; the message says which and why, one a line."""


class Settings(BaseSettings):
    """Every setting, named as in the environment (see docs/operators.md)."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    spokes_env: Literal["development", "production"] = "development"
    data_dir: Path = Path("var")
    database_url: str = ""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65_535)
    workers: int = Field(default=1, ge=1, le=64)
    base_url: str = ""
    secret_key: str = ""
    encryption_keys: str = ""
    trusted_proxies: int = Field(default=0, ge=0, le=10)
    trusted_hosts: str = ""
    country_header: str = Field(default="", pattern=r"^([A-Za-z0-9-]{1,64})?$")
    smtp_url: str = ""
    mail_from: str = "Spokes <programme@spokes.example>"
    stripe_api_key: str = ""
    stripe_api_base: str = ""
    stripe_webhook_secret: str = ""
    stripe_connect_webhook_secret: str = ""
    stripe_payouts_per_s: int = Field(default=10, ge=1, le=1_000)
    payouts_by: Literal["", "stripe", "bank"] = ""
    bank_payer_name: str = Field(default="", max_length=70)
    bank_payer_iban: str = ""
    bank_payer_bic: str = ""
    sandbox_stripe_port: int = Field(default=0, ge=0, le=65_535)
    sandbox_shop_port: int = Field(default=0, ge=0, le=65_535)
    api_reads_per_minute: int = Field(default=3_000, ge=0)
    api_writes_per_minute: int = Field(default=30_000, ge=0)
    api_batches_per_minute: int = Field(default=600, ge=0)
    metrics_token: str = Field(default="", min_length=0, max_length=200)
    ledger_conformance: bool = False
    demo_password: str = "demo-spokes-2026"  # noqa: S105 - the demo's; production has none

    @field_validator("encryption_keys")
    @classmethod
    def _long_keys(cls, value: str) -> str:
        if any(len(each.strip()) < MIN_SECRET_LENGTH for each in value.split(",")) and value:
            raise ValueError("must be keys of at least 32 characters, the newest first, with commas between")
        return value

    @field_validator("metrics_token")
    @classmethod
    def _long_token(cls, value: str) -> str:
        if value and (len(value) < MIN_TOKEN_LENGTH or not value.isascii() or not value.isprintable()):
            raise ValueError("must have at least 16 characters, of ASCII only: a header carries it")
        return value

    @field_validator("base_url", "stripe_api_base")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        if value and (not urlsplit(value).hostname or any(each.isspace() for each in value)):
            raise ValueError("must name a host, like https://spokes.example")
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if value.startswith("postgres://"):
            value = "postgresql://" + value.removeprefix("postgres://")
        if value.startswith("postgresql://"):
            return "postgresql+psycopg://" + value.removeprefix("postgresql://")
        if value and not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("must start with sqlite:/// or postgresql://")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _smtp(cls, value: str) -> str:
        if value and not value.startswith(("smtp://", "smtps://")):
            raise ValueError("must start with smtp:// or smtps://")
        if value and not _names_host(value):
            raise ValueError("must name a host, and a port that is a number, like smtp://mail.example:587")
        return value

    @model_validator(mode="after")
    def _production_is_careful(self) -> "Settings":
        if self.production and len(self.secret_key) < MIN_SECRET_LENGTH:
            raise ValueError("SECRET_KEY is required in production: at least 32 characters, kept secret")
        if self.production and not self.base_url.startswith("https://"):
            raise ValueError("BASE_URL is required in production and starts with https://")
        if self.production and self.stripe_api_key and not self.stripe_webhook_secret:
            raise ValueError("STRIPE_WEBHOOK_SECRET is required beside STRIPE_API_KEY")
        if self.production and self.stripe_api_key and not self.stripe_connect_webhook_secret:
            raise ValueError("STRIPE_CONNECT_WEBHOOK_SECRET is required beside STRIPE_API_KEY")
        if self.production and self.ledger_conformance:
            raise ValueError("LEDGER_CONFORMANCE opens the ledger to everybody and is refused in production")
        if not self.production and len({self.port, self.stripe_port, self.shop_port}) < 3:  # noqa: PLR2004 - the three
            raise ValueError("PORT, SANDBOX_STRIPE_PORT and SANDBOX_SHOP_PORT must differ")
        return self

    @property
    def production(self) -> bool:
        """Whether this is the real thing."""
        return self.spokes_env == "production"

    @property
    def pays_by_bank(self) -> bool:
        """Whether payouts go out as bank files: where that is said, and in production without Stripe."""
        return self.payouts_by == "bank" or (
            not self.payouts_by and self.production and not self.stripe_api_key
        )

    @property
    def hosts(self) -> list[str]:
        """The host names that we answer to; in production our own when none are named, in development any."""
        named = [each.strip() for each in self.trusted_hosts.split(",") if each.strip()]
        return named or ([urlsplit(self.base_url).hostname or ""] if self.production else [])

    @property
    def database(self) -> str:
        """The database's address; SQLite under the data folder by default."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'spokes.sqlite').absolute()}"

    @property
    def address(self) -> str:
        """Our own address as visitors see it, without a slash at its end."""
        return self.base_url or f"http://{self.host}:{self.port}"

    @cached_property
    def secret(self) -> str:
        """What signs cookies and tokens; in development made once and kept in the data folder."""
        return self.secret_key or _kept_secret(self.data_dir / "secret_key")

    @property
    def sealing_keys(self) -> list[str]:
        """What encrypts stored secrets, the newest first; at the end what does without keys of its own."""
        return [*(each.strip() for each in self.encryption_keys.split(",") if each.strip()), self.secret]

    @property
    def local_stripe(self) -> bool:
        """Whether payouts go to the bundled local Stripe: development without a key."""
        return not self.production and not self.stripe_api_key

    @property
    def stripe_port(self) -> int:
        """The local Stripe's port."""
        return self.sandbox_stripe_port or self.port + 1

    @property
    def shop_port(self) -> int:
        """The sandbox shop's port."""
        return self.sandbox_shop_port or self.port + 2

    @property
    def stripe_key(self) -> str:
        """The key for Stripe; empty when there is no Stripe at all."""
        return "sk_test_local" if self.local_stripe else self.stripe_api_key

    @property
    def stripe_base(self) -> str:
        """Where Stripe's API is; empty means Stripe's own."""
        return self.stripe_api_base or (f"http://127.0.0.1:{self.stripe_port}" if self.local_stripe else "")

    @property
    def stripe_secret(self) -> str:
        """What signs Stripe's webhooks about the platform."""
        return self.stripe_webhook_secret or ("whsec_local_platform" if self.local_stripe else "")

    @property
    def stripe_connect_secret(self) -> str:
        """What signs Stripe's webhooks about connected accounts."""
        return self.stripe_connect_webhook_secret or ("whsec_local_connect" if self.local_stripe else "")


def _names_host(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def _kept_secret(path: Path) -> str:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _keep_one(secrets.token_urlsafe(48), path)
    return path.read_text()


def _keep_one(secret: str, path: Path) -> None:
    """Write all of it elsewhere, then give it its name: of processes that start together the first wins, whole."""
    with NamedTemporaryFile("w", dir=path.parent, prefix=".secret_key-") as file:  # mode 600
        file.write(secret)
        file.flush()
        with suppress(FileExistsError):
            os.link(file.name, path)


_settings: Settings | None = None


def configure(settings: Settings | None = None) -> Settings:
    """Read the environment (or take `settings`) and make it what `settings()` answers; raises SettingsRefused."""
    global _settings  # noqa: PLW0603 - one process, one set of settings
    try:
        _settings = settings or Settings()
    except ValidationError as error:
        raise SettingsRefused(
            "\n".join(_sentence(each["loc"], each["msg"]) for each in error.errors())
        ) from None
    clock.follow(None if _settings.production else _settings.data_dir / CLOCK_FILE)
    return _settings


def _sentence(where: tuple[int | str, ...], message: str) -> str:
    name = str(where[0]).upper() if where else ""
    return f"{name} {message.removeprefix('Value error, ')}".strip()


def settings() -> Settings:
    """The settings of this process."""
    return _settings or configure()
