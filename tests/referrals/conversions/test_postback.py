"""Postbacks: what affiliate systems call, again and again, with what little they can say."""

import pytest
from flask.testing import FlaskClient
from sqlmodel import col, select
from werkzeug.test import TestResponse

from core.access import Actor
from core.api_keys import POSTBACK, create_api_key, key_of
from core.db import session, transaction
from hub.units import Unit
from referrals.conversions.conversions import Conversion
from referrals.conversions.same_order import STRIPE
from tests.factories import Cast
from tests.referrals.stories import bring, make_earner, make_link


def secret_of(unit: Unit, *scopes: str) -> str:
    with transaction():
        return create_api_key("affiliate system", list(scopes or (POSTBACK,)), unit.id)


@pytest.fixture
def secret(cast: Cast) -> str:
    with transaction():
        make_link(make_earner(cast.programme), "ana")
    return secret_of(cast.north)


def stored() -> list[Conversion]:
    with transaction(read_only=True):
        return list(session().exec(select(Conversion).order_by(col(Conversion.id))).all())


def tell(client: FlaskClient, secret: str, **said: str) -> TestResponse:
    return client.get(f"/webhooks/postback/{secret}", query_string={"order": "A-1", "code": "ana", **said})


def test_a_postback_records_a_sale_and_a_repetition_is_known(
    client: FlaskClient, secret: str, cast: Cast
) -> None:
    answer = tell(client, secret, amount="129.00", currency="EUR")
    assert (answer.status_code, answer.text, answer.mimetype) == (200, "OK recorded\n", "text/plain")
    same = {"order": "A-1", "code": "ana", "amount": "129", "currency": "EUR"}
    for way in (client.get, client.post):
        again = way(f"/webhooks/postback/{secret}", query_string=same)
        assert (again.status_code, again.text) == (200, "OK known\n")
    assert client.post(f"/webhooks/postback/{secret}", data=same).text == "OK known\n"
    with transaction(read_only=True):
        assert key_of(secret).last_used_at is not None
    (sale,) = stored()
    assert (sale.kind, sale.amount_minor, sale.currency, sale.unit_id) == (
        "sale",
        12_900,
        "EUR",
        cast.north.id,
    )
    assert sale.membership_id


def test_without_an_amount_it_is_a_lead(client: FlaskClient, secret: str) -> None:
    assert tell(client, secret).status_code == 200
    assert [each.kind for each in stored()] == ["lead"]


def test_the_same_order_with_another_amount_is_a_conflict(client: FlaskClient, secret: str) -> None:
    tell(client, secret, amount="129.00", currency="EUR")
    assert tell(client, secret, amount="130.00", currency="EUR").status_code == 409


def test_an_order_that_stripe_told_is_known_whatever_the_amount(
    client: FlaskClient, secret: str, cast: Cast
) -> None:
    with transaction():
        bring(
            cast.north.id,
            Actor("system", STRIPE, "Stripe"),
            external_id="A-1",
            code="ana",
            amount_minor=12_900,
        )
    assert tell(client, secret, amount="108.40", currency="EUR").text == "OK known\n"
    assert tell(client, secret, amount="108.40", currency="USD").status_code == 409


def test_four_decimals_are_an_affiliate_systems_way_of_writing(client: FlaskClient, secret: str) -> None:
    assert tell(client, secret, amount="129.0000", currency="EUR").status_code == 200
    assert tell(client, secret, order="A-2", amount="2900.0000", currency="JPY").status_code == 200
    assert [each.amount_minor for each in stored()] == [12_900, 2_900]


NONSENSE: list[dict[str, str]] = [
    {"amount": "129.005", "currency": "EUR"}, {"amount": "1.500", "currency": "EUR"}, {"at": "1762078500"},
    {"amount": "1.5005", "currency": "EUR"}, {"amount": "1.5", "currency": "JPY"},
    {"amount": "-1", "currency": "EUR"}, {"amount": "NaN", "currency": "EUR"}, {"amount": "1e400", "currency": "EUR"},
    {"amount": "1"}, {"currency": "EUR"}, {"amount": "1", "currency": "XXQ"}, {"order": ""}, {"order": "a b"},
    {"code": ""}, {"kind": "gift"}, {"at": "yesterday"}, {"at": "1999-01-01T00:00:00Z"}, {"unknown": "x"},
    {"order": "x" * 201}, {"at": "2026-01-01T00:00:00"},
]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "field", "sentence"),
    [
        ({"amount": "1"}, "currency", "An amount and its currency belong together"),
        ({"currency": "EUR"}, "amount", "An amount and its currency belong together"),
        ({"amount": "1_000", "currency": "EUR"}, "amount", "An amount is written like 129.00"),
        ({"amount": "1,5", "currency": "EUR"}, "amount", "An amount is written like 129.00"),
        ({"amount": "1e3", "currency": "EUR"}, "amount", "An amount is written like 129.00"),
        ({"amount": "١٢", "currency": "EUR"}, "amount", "An amount is written like 129.00"),
        ({"amount": "9" * 12, "currency": "EUR"}, "amount", "This sum is too large."),
        ({"kind": "sale"}, "request", "A sale needs amount and currency."),
        ({"at": "1999-01-01T00:00:00Z"}, "at", "Must not be before 2000"),
        ({"order": ["a", "b"]}, "order", "This was given more than once."),
        ({"amount": ["1", "2"], "currency": "EUR"}, "amount", "This was given more than once."),
    ],
)
def test_a_refusal_names_the_word_of_the_postback_that_is_wrong(
    client: FlaskClient, secret: str, said: dict[str, str | list[str]], field: str, sentence: str
) -> None:
    query = {"order": "A-1", "code": "ana", **said}
    for refused in (
        client.get(f"/webhooks/postback/{secret}", query_string=query),
        client.post(f"/webhooks/postback/{secret}", data=query),
    ):
        assert refused.status_code == 422
        problems = (refused.get_json() or {})["details"]["fields"]
        assert [(name, words.startswith(sentence)) for name, words in problems.items()] == [(field, True)]
    assert stored() == []


def test_the_same_word_said_twice_alike_is_said_once(client: FlaskClient, secret: str) -> None:
    query = {"order": ["A-1", "A-1"], "code": "ana"}
    assert client.get(f"/webhooks/postback/{secret}", query_string=query).status_code == 200


def test_what_makes_no_sense_is_refused_and_nothing_is_stored(client: FlaskClient, secret: str) -> None:
    assert {
        str(said): status for said in NONSENSE if (status := tell(client, secret, **said).status_code) != 422
    } == {}
    assert stored() == []


def test_only_a_secret_that_is_good_for_nothing_else_may_stand_in_an_address(
    client: FlaskClient, secret: str, cast: Cast
) -> None:
    for scopes in (("conversions:write",), (POSTBACK, "conversions:write")):
        assert tell(client, secret_of(cast.north, *scopes)).status_code == 403
    assert tell(client, "spk_nothing").status_code == 401
    assert stored() == []
    headers = {"Authorization": f"Bearer {secret}"}
    assert client.post("/api/v1/conversions", json={}, headers=headers).status_code == 403
    assert client.get("/api/v1/conversions", headers=headers).status_code == 403
    assert client.get("/webhooks/postback?order=A-1&code=ana", headers=headers).status_code == 403
    headers = {"Authorization": f"Bearer {secret_of(cast.north, 'conversions:write')}"}
    assert client.get("/webhooks/postback?order=A-1&code=ana", headers=headers).status_code == 200


def test_another_units_secret_brings_nothing_for_this_units_links(
    client: FlaskClient, secret: str, cast: Cast
) -> None:
    assert tell(client, secret_of(cast.south)).status_code == 200
    assert [(each.unit_id, each.membership_id) for each in stored()] == [(cast.south.id, None)]


def test_whoever_only_looks_records_nothing(client: FlaskClient, secret: str) -> None:
    assert client.head(f"/webhooks/postback/{secret}?order=A-1&code=ana").status_code == 200
    assert stored() == []


def test_the_secret_is_in_no_log(
    client: FlaskClient, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(client, secret, kind="gift")
    tell(client, f"{secret}x")
    tell(client, secret_of(find_north(), "conversions:write"))
    written = capsys.readouterr()
    assert secret not in written.out + written.err


def find_north() -> Unit:
    with transaction(read_only=True):
        return session().exec(select(Unit).where(Unit.slug == "north")).one()
