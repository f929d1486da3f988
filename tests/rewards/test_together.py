import time
from collections.abc import Sequence

import pytest
from sqlmodel import Session

from core import db
from core.access import Actor
from core.errors import SpokesError
from referrals.conversions.conversion_input import NewConversion
from referrals.conversions.conversions import ConversionDiffers
from rewards import together
from rewards.ledger import proof
from rewards.together import take_with_others
from rewards.told import Told, take_all
from tests.at_once import at_once
from tests.factories import Cast
from tests.referrals.stories import make_earner, make_link, order
from tests.rewards.stories import percent_rule

A_WHILE_S = 0.3


def key_of(unit_id: str) -> tuple[Actor, str]:
    return Actor("key", unit_id, "a shop", {"conversions:write": frozenset({unit_id})}), unit_id


def test_posts_at_once_get_each_their_own_answer_and_a_refusal_is_only_one_ones(cast: Cast) -> None:
    with db.transaction():
        percent_rule(cast.programme)
        make_link(make_earner(cast.programme), "ana")
    keys = [key_of(each.id) for each in (cast.north, cast.hub)]
    orders = [order(code="ana") for _ in range(10)]
    with db.transaction():
        pass
    first = take_with_others(NewConversion(**orders[0]), *keys[0])
    assert isinstance(first, tuple)
    bodies = [{**orders[0], "amount_minor": 1}, *orders]
    works = [
        lambda body=body, key=keys[number % 2 if number > 1 else 0]: take_with_others(
            NewConversion(**body), *key
        )
        for number, body in enumerate(bodies)
    ]
    refused, again, *new = at_once(*works)
    assert isinstance(refused, ConversionDiffers)
    assert again == (first[0], 200)
    for body, told in zip(orders[1:], new, strict=True):
        assert isinstance(told, tuple)
        assert (told[1], body["external_id"] in told[0]) == (201, True)
    assert not [each for each in new if isinstance(each, SpokesError)]
    with db.transaction(read_only=True):
        assert proof.problems() == []


def test_a_transaction_takes_once_and_of_one_key_however_many_wait(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    with db.transaction():
        make_link(make_earner(cast.programme), "ana")
    seen: list[tuple[Session, str, int]] = []

    def noted(news: Sequence[NewConversion], by: Actor, unit_id: str) -> list[Told]:
        if not seen:  # the first takes its time, so that others wait
            time.sleep(A_WHILE_S)
        seen.append((db.session(), unit_id, len(news)))
        return take_all(news, by, unit_id)

    monkeypatch.setattr(together, "take_all", noted)
    keys = [key_of(each.id) for each in (cast.north, cast.hub, cast.south)]
    works = [
        lambda key=keys[number % 3]: take_with_others(NewConversion(**order(code="ana")), *key)
        for number in range(24)
    ]
    told = at_once(*works)
    assert [each[1] for each in told if isinstance(each, tuple)] == [201] * 24
    assert len({id(transaction) for transaction, _, _ in seen}) == len(seen) < 24
    for _, unit in keys:
        assert sum(count for _, of, count in seen if of == unit) == 8


def test_many_that_come_again_and_again_are_stored_together(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has just stored does not go first again while others wait."""
    with db.transaction():
        make_link(make_earner(cast.programme), "ana")
    sizes: list[int] = []

    def noted(news: Sequence[NewConversion], by: Actor, unit_id: str) -> list[Told]:
        sizes.append(len(news))
        return take_all(news, by, unit_id)

    def brings_ten() -> list[int]:
        told = [
            take_with_others(NewConversion(**order(code="ana")), *key_of(cast.north.id)) for _ in range(10)
        ]
        return [each[1] for each in told if isinstance(each, tuple)]

    monkeypatch.setattr(together, "take_all", noted)
    assert at_once(*[brings_ten] * 5) == [[201] * 10] * 5
    assert sum(sizes) == 50
    assert len(sizes) < 35


def test_somebody_who_breaks_off_hands_the_turn_on(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    with db.transaction():
        make_link(make_earner(cast.programme), "ana")

    def broken(news: Sequence[NewConversion], by: Actor, unit_id: str) -> list[Told]:
        if any(new.external_id == "broken" for new in news):
            raise OSError("the disk is away")
        return take_all(news, by, unit_id)

    monkeypatch.setattr(together, "take_all", broken)
    key = key_of(cast.north.id)
    bodies = [order(code="ana") | {"external_id": "broken"}, *(order(code="ana") for _ in range(6))]
    works = [lambda body=body: take_with_others(NewConversion(**body), *key) for body in bodies]
    failed, *told = at_once(*works)
    assert isinstance(failed, OSError)
    for each in told:
        assert isinstance(each, OSError) or (isinstance(each, tuple) and each[1] == 201)
    after = take_with_others(NewConversion(**order(code="ana")), *key)
    assert isinstance(after, tuple)
    assert after[1] == 201
