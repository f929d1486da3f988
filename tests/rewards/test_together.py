from core import db
from core.access import Actor
from core.errors import SpokesError
from referrals.conversion_input import NewConversion
from referrals.conversions import ConversionDiffers
from rewards import proof
from rewards.together import take_with_others
from tests.at_once import at_once
from tests.factories import Cast
from tests.referrals.stories import make_earner, make_link, order
from tests.rewards.stories import percent_rule


def test_posts_at_once_get_each_their_own_answer_and_a_refusal_is_only_one_ones(cast: Cast) -> None:
    with db.transaction():
        percent_rule(cast.programme)
        make_link(make_earner(cast.programme), "ana")
    keys = [
        (Actor("key", each.id, "a shop", {"conversions:write": frozenset({each.id})}), each.id)
        for each in (cast.north, cast.hub)
    ]
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
