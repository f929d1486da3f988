"""Five hundred posts of one order, from many threads at once, are one order with one reward."""

import json
import threading

from sqlalchemy import func, select

from core import db
from core.access import Actor
from referrals.conversions.conversion_input import NewConversion
from referrals.conversions.conversion_rows import Conversion
from rewards.ledger import proof
from rewards.reward import Reward
from rewards.told import take_all
from tests.factories import Cast
from tests.referrals.stories import make_earner, make_link, order
from tests.rewards.stories import percent_rule

THREADS, EACH = 10, 50


def test_five_hundred_posts_of_the_same_order_at_once_are_one(cast: Cast) -> None:
    with db.transaction():
        percent_rule(cast.programme)
        make_link(make_earner(cast.programme), "ana")
    new = NewConversion(**order(code="ana"))
    shop = Actor("key", "key", "a shop", {"conversions:write": frozenset({cast.north.id})})
    answers: list[tuple[str, int]] = []

    def post() -> None:
        for _ in range(EACH):
            with db.transaction():
                (told,) = take_all([new], shop, cast.north.id)
            assert isinstance(told, tuple)
            answers.append(told)

    threads = [threading.Thread(target=post) for _ in range(THREADS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(answers) == THREADS * EACH
    assert sorted(status for _, status in answers) == [200] * 499 + [201]
    assert len({json.dumps(json.loads(said), sort_keys=True) for said, _ in answers}) == 1
    with db.transaction(read_only=True):
        for table in (Conversion, Reward):
            assert db.session().execute(select(func.count()).select_from(table)).scalar() == 1
        assert proof.problems() == []
