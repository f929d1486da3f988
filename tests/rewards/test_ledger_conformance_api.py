"""The ledger through the doors for conformance kits: what it promises, asked from outside."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from core.settings import Settings, configure


@pytest.fixture
def kit(client: FlaskClient, settings: Settings) -> Iterator[FlaskClient]:
    """A client of a service with the switch on and an empty chapter."""
    configure(settings.model_copy(update={"ledger_conformance": True}))
    assert client.post("/_lck/reset").status_code == 201
    yield client
    configure(settings)


def entry(account: str, amount: int, currency: str = "EUR") -> dict[str, object]:
    return {"account": account, "amount": amount, "currency": currency}


def posted(kit: FlaskClient, key: str, *entries: dict[str, object]) -> int:
    return kit.post("/_lck/post", json={"key": key, "entries": list(entries)}).status_code


def held(kit: FlaskClient, account: str, currency: str = "EUR") -> int:
    answer = kit.get("/_lck/balance", query_string={"account": account, "currency": currency})
    return int(answer.json["balance"])  # type: ignore[index]  # it answers JSON


def test_without_the_switch_there_is_nothing(client: FlaskClient) -> None:
    for path in ("/_lck/balance?account=a&currency=EUR", "/_lck/journal"):
        assert client.get(path).status_code == 404
    for path in ("/_lck/reset", "/_lck/post"):
        assert client.post(path, json={}).status_code == 404


def test_a_replay_is_one_and_another_thing_under_its_key_is_refused(kit: FlaskClient) -> None:
    assert posted(kit, "k", entry("a", -5), entry("b", 5)) == 201
    assert posted(kit, "k", entry("a", -5), entry("b", 5)) == 200
    assert posted(kit, "k", entry("a", -6), entry("b", 6)) == 409
    assert (held(kit, "a"), held(kit, "b")) == (-5, 5)


def test_a_reserve_is_never_overdrawn(kit: FlaskClient) -> None:
    assert posted(kit, "in", entry("world", -10), entry("x:reserved", 10)) == 201
    assert posted(kit, "out", entry("x:reserved", -11), entry("world", 11)) == 409
    assert posted(kit, "out", entry("x:reserved", -10), entry("world", 10)) == 201
    assert held(kit, "x:reserved") == 0


@pytest.mark.parametrize(
    "entries",
    [
        [entry("a", -5), entry("b", 6)],
        [entry("a", 0), entry("b", 0)],
        [entry("a", -5, "EUR"), entry("b", 5, "JPY")],
        [entry("a", -5, "XXX"), entry("b", 5, "XXX")],
        [entry("a", -5), entry("a", 5)],
        [{"account": "a", "amount": 1.5, "currency": "EUR"}, entry("b", -1)],
        [entry("a", -5)],
    ],
)
def test_what_does_not_balance_is_refused(kit: FlaskClient, entries: list[dict[str, object]]) -> None:
    assert posted(kit, "k", *entries) == 422
    assert kit.get("/_lck/journal").json == {"transactions": []}


def test_a_reset_begins_anew(kit: FlaskClient) -> None:
    posted(kit, "k", entry("a", -5), entry("b", 5))
    kit.post("/_lck/reset")
    assert held(kit, "b") == 0
    assert posted(kit, "k", entry("a", -7), entry("b", 7)) == 201


ACCOUNTS = st.sampled_from(["a", "b", "c", "d"])
PARTS = st.lists(st.tuples(ACCOUNTS, st.integers(1, 1_000)), min_size=1, max_size=4)


@examples(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(PARTS, st.sampled_from(["EUR", "JPY", "KWD"])), max_size=6))
def test_balances_are_the_journals_sums_and_nothing_comes_from_nowhere(
    kit: FlaskClient, postings: list[tuple[list[tuple[str, int]], str]]
) -> None:
    kit.post("/_lck/reset")
    for number, (parts, currency) in enumerate(postings):
        given_out = sum(amount for _, amount in parts)
        entries = [
            entry("world", -given_out, currency),
            *(entry(who, amount, currency) for who, amount in parts),
        ]
        assert posted(kit, f"k{number}", *entries) == 201
    sums: dict[tuple[str, str], int] = {}
    for each in kit.get("/_lck/journal").json["transactions"]:  # type: ignore[index]  # it answers JSON
        for one in each["entries"]:
            place = (one["account"], one["currency"])
            sums[place] = sums.get(place, 0) + one["amount"]
    assert all(held(kit, account, currency) == amount for (account, currency), amount in sums.items())
    for currency in ("EUR", "JPY", "KWD"):
        assert sum(amount for (_, kind), amount in sums.items() if kind == currency) == 0
