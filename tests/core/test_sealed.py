"""Stored secrets: unreadable in the database, openable with every key that is still named, moved to the newest one."""

import pytest

from core.sealed import CannotOpen, resealed, seal, unseal
from core.settings import Settings, SettingsRefused, configure

OLD, NEW = "an old key of thirty-two characters!", "a new key of thirty-two characters!!"


@pytest.fixture(autouse=True)
def _settings(settings: Settings) -> None:
    """Settings that each test may change."""


def keys(settings: Settings, *written: str) -> None:
    configure(settings.model_copy(update={"encryption_keys": ",".join(written)}))


def test_secret_is_not_in_what_is_stored_and_comes_back() -> None:
    stored = seal("whsec_abc")
    assert "whsec" not in stored
    assert stored != seal("whsec_abc")
    assert unseal(stored) == "whsec_abc"
    assert resealed(stored) is None


def test_new_key_in_front_opens_what_the_old_one_sealed_and_takes_it_over(settings: Settings) -> None:
    keys(settings, OLD)
    stored = seal("whsec_abc")
    keys(settings, NEW, OLD)
    moved = resealed(stored)
    assert moved is not None
    assert resealed(moved) is None
    keys(settings, NEW)
    assert unseal(moved) == "whsec_abc"
    with pytest.raises(CannotOpen):
        unseal(stored)


def test_first_keys_of_ones_own_still_open_what_was_sealed_without(settings: Settings) -> None:
    stored = seal("whsec_abc")
    keys(settings, NEW)
    assert unseal(stored) == "whsec_abc"
    assert resealed(stored) is not None


@pytest.mark.parametrize("mangled", ["", "nonsense", "gAAAA", "ü"])
def test_what_nobody_sealed_is_refused(mangled: str) -> None:
    with pytest.raises(CannotOpen):
        unseal(mangled)
    with pytest.raises(CannotOpen):
        resealed(mangled)


def test_short_keys_are_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCRYPTION_KEYS", f"{NEW},short")
    with pytest.raises(SettingsRefused, match="ENCRYPTION_KEYS must be keys of at least 32 characters"):
        configure()
