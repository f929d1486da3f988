"""Settings: from the environment, careful in production, refused with a sentence."""

import stat
from pathlib import Path

import pytest

from core.settings import Settings, SettingsRefused, configure
from core.settings import settings as present
from tests.at_once import at_once

LONG = "s" * 32
PRODUCTION = {"SPOKES_ENV": "production", "SECRET_KEY": LONG, "BASE_URL": "https://spokes.example"}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of this machine gets in, and what was configured before is there again afterwards."""
    monkeypatch.setattr("core.settings._settings", None)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def with_environment(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return configure()


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"BASE_URL": "spokes.example"}, "BASE_URL must start with http:// or https://"),
        ({"BASE_URL": "javascript:alert(1)"}, "BASE_URL must start with http:// or https://"),
        ({"STRIPE_API_BASE": "api.stripe.example"}, "STRIPE_API_BASE must start with http:// or https://"),
        ({"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL must start with sqlite:/// or postgresql://"),
        ({"SMTP_URL": "mail.example:25"}, "SMTP_URL must start with smtp:// or smtps://"),
        ({**PRODUCTION, "SECRET_KEY": "short"}, "SECRET_KEY is required in production: at least 32 characters, kept secret"),
        ({**PRODUCTION, "SECRET_KEY": ""}, "SECRET_KEY is required in production: at least 32 characters, kept secret"),
        ({**PRODUCTION, "BASE_URL": "http://spokes.example"}, "BASE_URL is required in production and starts with https://"),
        ({**PRODUCTION, "BASE_URL": ""}, "BASE_URL is required in production and starts with https://"),
        ({"METRICS_TOKEN": "short"}, "METRICS_TOKEN must have at least 16 characters, of ASCII only: a header carries it"),
        ({"METRICS_TOKEN": "ein-Schlüssel-von-24-Zei"}, "METRICS_TOKEN must have at least 16 characters, of ASCII only: a header carries it"),
        ({**PRODUCTION, "STRIPE_API_KEY": "sk_live_x"}, "STRIPE_WEBHOOK_SECRET is required beside STRIPE_API_KEY"),
        ({**PRODUCTION, "LEDGER_CONFORMANCE": "1"}, "LEDGER_CONFORMANCE opens the ledger to everybody and is refused in production"),
        ({"SPOKES_ENV": "staging"}, "SPOKES_ENV Input should be 'development' or 'production'"),
        ({"PORT": "0"}, "PORT Input should be greater than or equal to 1"),
        ({"PORT": "65536"}, "PORT Input should be less than or equal to 65535"),
        ({"PORT": "http"}, "PORT Input should be a valid integer, unable to parse string as an integer"),
        ({"WORKERS": "65"}, "WORKERS Input should be less than or equal to 64"),
        ({"TRUSTED_PROXIES": "-1"}, "TRUSTED_PROXIES Input should be greater than or equal to 0"),
        ({"PORT": "0", "SMTP_URL": "x"}, "PORT Input should be greater than or equal to 1\nSMTP_URL must start with smtp:// or smtps://"),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SettingsRefused) as refused:
        with_environment(monkeypatch, environment)
    assert str(refused.value) == sentence
    assert LONG not in str(refused.value)


def test_without_any_setting_it_is_development_on_this_machine() -> None:
    made = configure()
    assert (made.production, made.address, made.local_stripe) == (False, "http://127.0.0.1:8000", True)
    assert made.database.startswith("sqlite:////")
    assert (made.stripe_base, made.stripe_key) == ("http://127.0.0.1:8001", "sk_test_local")
    assert made.shop_port == 8002
    assert present() is made


def test_production_with_all_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    made = with_environment(monkeypatch, {**PRODUCTION, "BASE_URL": "https://spokes.example/"})
    assert (made.production, made.address, made.secret) == (True, "https://spokes.example", LONG)
    assert (made.local_stripe, made.stripe_key, made.stripe_base, made.stripe_secret) == (False, "", "", "")
    assert made.stripe_connect_secret == ""


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_a_postgresql_address_is_understood(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    made = with_environment(monkeypatch, {"DATABASE_URL": f"{scheme}://me@db.example/spokes"})
    assert made.database == "postgresql+psycopg://me@db.example/spokes"


def test_development_keeps_a_secret_of_its_own_that_only_its_owner_reads(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    secret = Settings(data_dir=folder).secret
    assert len(secret) >= 32
    assert Settings(data_dir=folder).secret == secret
    assert stat.S_IMODE((folder / "secret_key").stat().st_mode) == 0o600


def test_processes_that_start_together_keep_the_same_secret(tmp_path: Path) -> None:
    def start() -> str:
        return Settings(data_dir=tmp_path).secret

    secrets = set(at_once(*[start] * 12))
    assert len(secrets) == 1
    assert "" not in secrets
    assert [each.name for each in tmp_path.iterdir() if "secret" in each.name] == ["secret_key"]
