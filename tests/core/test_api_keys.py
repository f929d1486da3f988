"""Keys for machines: shown once, known by their HMAC, ended by date or by hand."""

from datetime import timedelta

import pytest

from core.api_keys import SCOPES, ApiKey, UnknownScope, WrongKey, create_api_key, key_of, needs_touch, touch
from core.clock import at, now
from core.db import session, transaction

pytestmark = pytest.mark.usefixtures("settings")


def created(**more: object) -> str:
    with transaction():
        return create_api_key("shop", ["links:read", "clicks:read", "links:read"], "unit", **more)  # type: ignore[arg-type]  # expires_at


def test_key_is_found_by_its_secret_which_is_not_stored() -> None:
    secret = created()
    with transaction(read_only=True):
        row = key_of(secret)
        stored = session().get_one(ApiKey, row.id).model_dump_json()
    assert (row.name, row.unit_id, row.scopes) == ("shop", "unit", ["clicks:read", "links:read"])
    assert secret.startswith("spk_")
    assert secret[12:] not in stored


@pytest.mark.parametrize("end", range(1, 40, 6))
def test_key_with_one_other_character_is_wrong(end: int) -> None:
    secret = created()
    other = secret[:-end] + ("a" if secret[-end] != "a" else "b") + secret[len(secret) - end + 1 :]
    for wrong in (other, secret[:-end], secret + "x", "", "spk_", secret[:12], "é" * 40):
        with transaction(read_only=True), pytest.raises(WrongKey) as refused:
            key_of(wrong)
        assert refused.value.status == 401


def test_key_ends_by_date() -> None:
    ends = now() + timedelta(days=1)
    secret = created(expires_at=ends)
    with at(ends - timedelta(seconds=1)), transaction(read_only=True):
        key_of(secret)
    with at(ends), transaction(read_only=True), pytest.raises(WrongKey):
        key_of(secret)


def test_revoked_key_is_wrong() -> None:
    secret = created()
    with transaction():
        session().get_one(ApiKey, key_of(secret).id).revoked_at = now()
    with transaction(read_only=True), pytest.raises(WrongKey):
        key_of(secret)


@pytest.mark.parametrize("scopes", [[], ["everything"], ["links:read", "LINKS:READ"], [""]])
def test_key_needs_scopes_that_there_are(scopes: list[str]) -> None:
    with pytest.raises(UnknownScope, match="Scopes are: links:read"), transaction():
        create_api_key("shop", scopes, "unit")


def test_every_scope_is_a_thing_and_a_verb() -> None:
    assert all(each.split(":")[1] in {"read", "write"} for each in SCOPES)


def test_use_is_written_at_most_hourly() -> None:
    secret = created()
    with transaction():
        row = key_of(secret)
        assert needs_touch(row)
        touch(row.id)
    with transaction(read_only=True):
        row = key_of(secret)
        assert row.last_used_at is not None
        assert not needs_touch(row)
    with at(now() + timedelta(hours=1, seconds=1)):
        assert needs_touch(row)
