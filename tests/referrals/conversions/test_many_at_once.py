"""Many conversions at once are the same as each alone."""

import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import delete, select, text, update
from sqlmodel import SQLModel, col

from core import db
from core.access import COMMAND, Actor
from core.clock import at, now
from core.errors import SpokesError
from core.settings import Settings
from hub import metrics
from hub.programmes import get_programme
from referrals.clicks.click_ids import new_click_id
from referrals.clicks.link_table import milliseconds
from referrals.clicks.tokens import sign, signing_key
from referrals.conversions import conversions
from referrals.conversions.batch import answered_lines
from referrals.conversions.conversion_input import NewConversion
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion, Refund, RefundShare
from referrals.conversions.waiting import WaitingConversion
from referrals.links import links
from rewards.ledger import proof
from rewards.ledger.ledger import CachedBalance, LedgerTransaction, Posting
from rewards.reward import Reward, RewardReversal
from rewards.told import take_all
from tests.at_once import at_once
from tests.factories import Cast
from tests.referrals.stories import give_back, make_earner, make_link, order
from tests.rewards.stories import percent_rule, points_rule

TABLES: tuple[type[SQLModel], ...] = (
    *(Conversion, AttributionCandidate, Refund, RefundShare, Reward, RewardReversal),
    *(LedgerTransaction, Posting, CachedBalance, metrics.LadderStep, metrics.SeriesPoint, WaitingConversion),
)
FRESH = {"id", "received_at", "made_at", "posted_at", "content_hash", "conversion_id", "subject", "key", "at"}
FRESH |= {
    "transaction_id",
    "reward_id",
    "candidate_id",
    "grant_key",
    "version",
    "arithmetic",
    "answer",
    "next_at",
}
"""what is another in every run: ids and what is made of them, moments of storing"""


@pytest.fixture
def mixture(cast: Cast, settings: Settings) -> list[dict[str, Any]]:
    """Orders of every kind: by click, code, coupon, customer; shared; nobody's; repeated; in conflict; refunded before."""
    with db.transaction():
        percent_rule(cast.programme, 1_234)
        points_rule(cast.programme, "sale", 7)
        points_rule(cast.other_programme, "lead", 3)
        get_programme(cast.other_programme.id).attribution_rule = "split"
        for name in ("ana", "ben"):
            make_link(make_earner(cast.programme, name.title()), name, coupon=f"{name.upper()}10")
        for name in ("cleo", "dora", "eve"):
            make_link(make_earner(cast.other_programme, name.title()), name, coupon=f"{name.upper()}10")
        links.end_link(make_link(make_earner(cast.programme, "Fay"), "fay"), by=COMMAND)
        give_back(cast.hub.id, "o-5", 300)
        give_back(cast.hub.id, "o-9", 1_000_000)
    return _orders(settings)


def _orders(settings: Settings) -> list[dict[str, Any]]:
    moment, secret = now() + timedelta(minutes=1), signing_key(settings.secret)

    def click(code: str, minutes: int = 0) -> str:
        at_ms = milliseconds(moment) + minutes * 1_000
        return sign(new_click_id(at_ms), code, at_ms, secret)

    def sale(number: int, amount: int = 12_900, **named: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of an order
        known = {"external_id": f"o-{number}", "kind": "sale", "amount_minor": amount, "currency": "EUR"}
        moved = moment + timedelta(minutes=2, seconds=number)
        return {**known, "occurred_at": moved.isoformat(), **named}

    first = sale(
        1, click=click("ana"), customer={"external_id": "c-1"}, lines=[{"sku": "A", "amount_minor": 1}]
    )
    return [
        first,
        sale(2, click=click("ben"), code="ana", metadata={"channel": "web", "n": 1.5, "is": True}),
        sale(3, coupon="ana10", click="forged", customer={"external_id": "c-2"}),
        sale(4, customer={"external_id": "c-1"}),
        sale(5, clicks=[click("cleo", 1), click("dora", 2)], coupon="EVE10", customer={"external_id": "c-5"}),
        first,
        {**first, "amount_minor": 1},
        sale(6, code="nobody"),
        sale(7, code="fay"),
        sale(8, 3, code="ben"),
        sale(9, 777, clicks=[click("cleo", 1), click("dora", 2)]),
        sale(10, 500, currency="JPY", code="ana", customer={"external_id": "c-5"}),
        {
            "external_id": "l-1",
            "kind": "lead",
            "occurred_at": moment.isoformat(),
            "clicks": [click("cleo"), click("eve", 1)],
        },
        sale(11, 0, code="ana"),
        sale(
            12,
            999,
            customer={"external_id": "c-2"},
            click=click("ana"),
            clicks=[click("ana"), click("ben", 1)],
        ),
    ]


def taken(cast: Cast, mixture: list[dict[str, Any]], size: int) -> list[tuple[Any, int] | str]:
    told: list[tuple[Any, int] | str] = []
    with at(now() + timedelta(minutes=3)):
        news = [NewConversion(**each) for each in mixture]
        for start in range(0, len(news), size):
            with db.transaction():
                answers = take_all(news[start : start + size], shop_of_hub(cast), cast.hub.id)
            told += [
                type(each).__name__ if isinstance(each, SpokesError) else (json.loads(each[0]), each[1])
                for each in answers
            ]
    return told


def shop_of_hub(cast: Cast) -> Actor:
    """A key of the hub."""
    return Actor(
        "key", "key", "a shop", {"conversions:write": frozenset({cast.hub.id, cast.north.id, cast.south.id})}
    )


def everything() -> dict[str, list[str]]:
    """Table → its rows without what is another in every run, sorted."""
    with db.transaction(read_only=True):
        assert metrics.differences() == []
        assert proof.problems() == []
        return {
            str(table.__tablename__): sorted(
                repr(sorted((name, value) for name, value in row.model_dump().items() if name not in FRESH))
                for row in db.session().execute(select(table)).scalars()
            )
            for table in TABLES
        }


def undo() -> None:
    """Take out what the orders left, so that the same advocates can be brought them again."""
    with db.engine().begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            connection.execute(text("PRAGMA defer_foreign_keys=ON"))
            for table in ("posting", "ledger_transaction"):
                connection.execute(text(f"DROP TRIGGER {table}_no_delete"))
        for left in (*TABLES[:2], *TABLES[3:9], TABLES[-1]):
            connection.execute(delete(left))
        for board in (metrics.LadderStep, metrics.SeriesPoint):
            connection.execute(delete(board).where(col(board.metric) != "certifications"))
        connection.execute(update(Refund).values(state="parked", conversion_id=None, completes=False))


def without_ids(told: list[tuple[Any, int] | str]) -> str:
    def clean(value: Any) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(value, dict):
            return {name: clean(each) for name, each in value.items() if name != "id"}
        return [clean(each) for each in value] if isinstance(value, list | tuple) else value

    return json.dumps(clean(told))


@pytest.mark.parametrize("size", [4, 100])
def test_a_rich_mixture_at_once_leaves_the_same_rows_and_answers_as_each_alone(
    cast: Cast, mixture: list[dict[str, Any]], size: int
) -> None:
    alone = taken(cast, mixture, 1)
    rows = everything()
    assert [each if isinstance(each, str) else each[1] for each in alone] == [
        *[201] * 5,
        200,
        "ConversionDiffers",
        *[201] * 8,
    ]
    assert len(rows["reward"]) > 15
    assert len(rows["refund_share"]) > 0
    undo()
    together = taken(cast, mixture, size)
    assert everything() == rows
    assert without_ids(together) == without_ids(alone)


def test_a_year_later_the_first_answer_is_given_again_whatever_happened_since(
    cast: Cast, mixture: list[dict[str, Any]]
) -> None:
    first = taken(cast, mixture, 100)
    with db.transaction():
        give_back(cast.hub.id, "o-1", 12_900)
    with at(now() + timedelta(days=365)):
        again = taken(cast, mixture, 100)
    assert [each if isinstance(each, str) else each[0] for each in again] == [
        each if isinstance(each, str) else each[0] for each in first
    ]
    assert {each[1] for each in again if not isinstance(each, str)} == {200}


@pytest.fixture
def one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is rewarded together with the sale of three cents fails."""
    from rewards import grants

    granted = grants.grant_for_conversions

    def fails_for_one(won: Any) -> None:  # noqa: ANN401 - as the function it stands for
        if any(each.amount_minor == 3 for each in won):
            raise conversions.ConversionNotFound
        granted(won)

    monkeypatch.setattr(grants, "grant_for_conversions", fails_for_one)


def test_a_line_that_fails_on_its_way_undoes_only_itself(
    cast: Cast, mixture: list[dict[str, Any]], one_fails: None
) -> None:
    raw = "\n".join(json.dumps(each) for each in mixture).encode()
    with at(now() + timedelta(minutes=3)):
        lines = answered_lines(raw, lambda news: take_all(news, shop_of_hub(cast), cast.hub.id))
        statuses = [json.loads(line)["status"] for line in lines]
    assert statuses == [*[201] * 5, 200, 409, *[201] * 2, 404, *[201] * 5]
    with db.transaction(read_only=True):
        kept = select(col(Conversion.external_id)).where(col(Conversion.external_id) == "o-8")
        assert db.session().execute(kept).first() is None
        assert proof.problems() == []
        assert metrics.differences() == []


def test_batches_of_the_same_advocates_in_another_order_do_not_wait_for_each_other(
    cast: Cast, mixture: list[dict[str, Any]], one_fails: None
) -> None:
    def batch(name: str, *codes: str) -> list[int]:
        sold = [order(external_id=f"{name}-{code}-{turn}", code=code) for code in codes for turn in range(20)]
        sold[0]["amount_minor"] = 3
        raw = "\n".join(map(json.dumps, sold)).encode()
        answered = answered_lines(raw, lambda news: take_all(news, shop_of_hub(cast), cast.hub.id))
        return [json.loads(line)["status"] for line in answered]

    told = at_once(
        *(partial(batch, f"one-{number}", "ana", "ben") for number in range(2)),
        *(partial(batch, f"other-{number}", "ben", "ana") for number in range(2)),
    )
    assert told == [[404, *[201] * 39]] * 4
    with db.transaction(read_only=True):
        assert proof.problems() == []
        assert metrics.differences() == []
