"""The most that an advocate earns by a rule in a period: never exceeded, said in the arithmetic, also by two at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from flask.testing import FlaskClient
from sqlmodel import col, func, select

from core.access import COMMAND
from core.clock import now
from core.db import session, transaction
from core.people import get_person
from rewards import grants
from rewards.grants import Reward
from rewards.ledger import proof
from rewards.rules import rules
from rewards.rules.conditions import Conditions
from rewards.rules.rules import Terms
from tests.factories import Cast, make_advocate, sign_in
from tests.referrals.stories import bring, make_earner, make_link
from tests.rewards.stories import LONG_AGO, refund, sale


def capped_rule(cast: Cast, rate_basis_points: int = 1_000, cap_minor: int = 2_500) -> None:
    terms = Terms(
        "percent",
        rate_basis_points=rate_basis_points,
        conditions=Conditions(cap_minor=cap_minor, cap_period="year"),
    )
    rules.change_rule(cast.programme, "sale", terms, by=COMMAND, valid_from=LONG_AGO)


def amounts(membership_id: str) -> list[int]:
    wanted = select(Reward.amount_minor).where(Reward.membership_id == membership_id)
    return list(session().exec(wanted.order_by(col(Reward.id))).all())


def test_what_is_earned_beyond_the_cap_is_cut_off_and_the_reward_says_so(cast: Cast) -> None:
    with transaction():
        capped_rule(cast)
        ana, ben = make_advocate(cast.programme), make_advocate(cast.programme, "Ben Bold")
        for _ in range(2):
            grants.grant_for_conversion(sale(ana, 10_000).id)
        third, fourth = sale(ana, 10_000), sale(ana, 10_000)
        (reward,) = grants.grant_for_conversion(third.id)
        assert reward.arithmetic == (
            "10 % of €100.00 = €10.00 (sale rule, version 1); at most €25.00 a year, of which €5.00 was left"
        )
        assert (reward.granted_minor, reward.amount_minor, reward.base_minor) == (500, 500, 10_000)
        assert grants.grant_for_conversion(fourth.id) == []
        assert grants.grant_for_conversion(third.id) == [reward]
        assert amounts(ana.id) == [1_000, 1_000, 500]
        grants.reverse_for_refund(refund(third, 5_000).id)
        assert reward.amount_minor == 250
        assert grants.grant_for_conversion(fourth.id) == []
        assert len(grants.grant_for_conversion(sale(ben, 10_000).id)) == 1
        assert len(grants.grant_for_conversion(sale(ana, 10_000, "JPY").id)) == 1
        assert len(grants.grant_for_conversion(sale(ana, 10_000, when=now() - timedelta(days=366)).id)) == 1
        assert proof.problems() == []


def test_a_new_version_begins_no_new_cap(cast: Cast) -> None:
    with transaction():
        capped_rule(cast)
        ana = make_advocate(cast.programme)
        grants.grant_for_conversion(sale(ana, 20_000).id)
        terms = Terms(
            "percent", rate_basis_points=5_000, conditions=Conditions(cap_minor=3_000, cap_period="year")
        )
        rules.change_rule(cast.programme, "sale", terms, by=COMMAND)
        (reward,) = grants.grant_for_conversion(sale(ana, 20_000, when=now()).id)
        assert reward.amount_minor == 1_000


def test_two_at_once_never_exceed_the_cap(cast: Cast) -> None:
    with transaction():
        capped_rule(cast)
        ana = make_advocate(cast.programme)
        conversions = [sale(ana, 10_000).id for _ in range(8)]

    def grant(conversion_id: str) -> None:
        with transaction():
            grants.grant_for_conversion(conversion_id)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(grant, conversions))
    with transaction(read_only=True):
        total = (
            session().exec(select(func.sum(Reward.amount_minor)).where(Reward.membership_id == ana.id)).one()
        )
        assert total == 2_500
        assert sorted(amounts(ana.id)) == [500, 1_000, 1_000]
        assert proof.problems() == []


def test_a_sale_that_the_cap_leaves_nothing_of_says_so_to_staff_and_to_its_advocate(
    client: FlaskClient, cast: Cast
) -> None:
    with transaction():
        capped_rule(cast)
        ana = make_earner(cast.programme)
        make_link(ana, "ana")
        for _ in range(2):
            bring(cast.north.id, code="ana", amount_minor=12_500)
        nothing, yen = (
            bring(cast.north.id, code="ana", amount_minor=10_000, currency=each) for each in ("EUR", "JPY")
        )
        person = get_person(ana.person_id)
    says = "Nothing by the sale rule, version 1: it gives at most €25.00 a year, which was used up."
    sign_in(client, cast.manager)
    assert says in client.get(f"/console/conversions/{nothing.id}").text
    assert says not in client.get(f"/console/conversions/{yen.id}").text
    sign_in(client, person)
    assert says in client.get(f"/portal/conversions/{nothing.id}").text
