"""How often a key may ask: counted per key and process in windows of a minute, said in every answer."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from core.api_keys import POSTBACK, create_api_key
from core.clock import at
from core.db import transaction
from core.rates import MOST_NAMES, Rates
from core.settings import Settings, configure
from tests.at_once import at_once
from tests.factories import Cast
from web.machines import WRONG_KEYS_PER_MINUTE

NOON = datetime(2027, 5, 1, 12, 0, tzinfo=UTC)
LINKS = "/api/v1/links"


@pytest.fixture
def few(settings: Settings) -> Iterator[Settings]:
    """Three reads a minute, two writes, one batch."""
    changes = {"api_reads_per_minute": 3, "api_writes_per_minute": 2, "api_batches_per_minute": 1}
    yield configure(settings.model_copy(update=changes))
    configure(settings)


def key(cast: Cast, *scopes: str) -> dict[str, str]:
    with transaction():
        secret = create_api_key("a shop", list(scopes or ("links:read", "conversions:write")), cast.north.id)
    return {"Authorization": f"Bearer {secret}"}


def test_the_request_after_the_last_waits_for_the_next_minute(
    client: FlaskClient, cast: Cast, few: Settings
) -> None:
    mine, other = key(cast), key(cast)
    with at(NOON + timedelta(seconds=20)):
        stands = [client.get(LINKS, headers=mine).headers["RateLimit"] for _ in range(3)]
        assert stands == ['"reads";r=2;t=40', '"reads";r=1;t=40', '"reads";r=0;t=40']
        refused = client.get(LINKS, headers=mine)
        assert (refused.status_code, refused.get_json()["error"]) == (429, "TooManyRequests")
        assert refused.headers["Retry-After"] == "40"
        assert refused.headers["RateLimit-Policy"] == '"reads";q=3;w=60'
        assert client.get(LINKS, headers=other).status_code == 200, "another key's count is its own"
    with at(NOON + timedelta(seconds=60)):
        assert client.get(LINKS, headers=mine).status_code == 200


def test_reads_writes_and_batches_are_counted_apart(client: FlaskClient, cast: Cast, few: Settings) -> None:
    mine = key(cast)

    def batch() -> int:
        return client.post(
            "/api/v1/conversions/batch", data=b"", headers=mine, content_type="application/x-ndjson"
        ).status_code

    with at(NOON):
        writes = [client.post("/api/v1/conversions", json={}, headers=mine).status_code for _ in range(3)]
        assert (writes, batch(), batch()) == ([422, 422, 429], 200, 429)
        assert client.get(LINKS, headers=mine).status_code == 200


def test_a_refused_request_stores_nothing_and_counts(client: FlaskClient, cast: Cast, few: Settings) -> None:
    without = key(cast, "clicks:read")
    with at(NOON):
        found = [client.get(LINKS, headers=without).status_code for _ in range(4)]
    assert found == [403, 403, 403, 429]


def test_without_a_limit_nothing_is_counted(client: FlaskClient, cast: Cast, settings: Settings) -> None:
    configure(settings.model_copy(update={"api_reads_per_minute": 0}))
    answer = client.get(LINKS, headers=key(cast))
    assert (answer.status_code, answer.headers.get("RateLimit")) == (200, None)


def test_wrong_keys_are_counted_by_address_and_a_right_one_passes_beside_them(
    client: FlaskClient, cast: Cast
) -> None:
    wrong = {"Authorization": "Bearer spk_wrong"}
    with at(NOON):
        found = [client.get(LINKS, headers=wrong).status_code for _ in range(WRONG_KEYS_PER_MINUTE + 1)]
        elsewhere = client.get(LINKS, headers=wrong, environ_base={"REMOTE_ADDR": "203.0.113.9"})
        assert client.get(LINKS, headers=key(cast)).status_code == 200
        nobody = client.get(LINKS)
    assert found == [401] * WRONG_KEYS_PER_MINUTE + [429]
    assert (elsewhere.status_code, elsewhere.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert nobody.status_code == 401, "no key at all is nobody's try"


def test_a_postback_is_a_write_and_a_wrong_secret_in_its_address_is_counted_like_a_wrong_key(
    client: FlaskClient, cast: Cast, few: Settings
) -> None:
    with transaction():
        secret = create_api_key("affiliate system", [POSTBACK], cast.north.id)

    def told(path: str, **more: Any) -> list[int]:  # noqa: ANN401 - what a client takes
        return [
            client.get(f"/webhooks/postback{path}?order=A-{n}&code=x", **more).status_code for n in range(3)
        ]

    with at(NOON):
        assert told("", headers=key(cast)) == [200, 200, 429]
        assert told(f"/{secret}") == [200, 200, 429]
        wrong = [told("/spk_wrong") for _ in range(WRONG_KEYS_PER_MINUTE // 3)]
        assert wrong == [[401] * 3] * (WRONG_KEYS_PER_MINUTE // 3)
        assert told("/spk_wrong") == [429] * 3
        refused = client.get(f"/webhooks/postback/{secret}?order=B&code=x")
        assert (refused.headers["Retry-After"], refused.headers["RateLimit"]) == ("60", '"writes";r=0;t=60')


def test_requests_at_once_are_all_counted() -> None:
    counted = Rates()

    def ask() -> bool:
        with at(NOON):
            return counted.spend("a", 5).over

    assert at_once(*[ask] * 12).count(False) == 5


def test_what_is_remembered_is_bounded() -> None:
    counted = Rates()
    with at(NOON):
        for number in range(MOST_NAMES + 10):
            counted.spend(str(number), 1)
    assert len(counted._counts) <= MOST_NAMES  # noqa: SLF001 - what it holds is the question
