"""Write-offs: two people of finance, once, and nothing is offset afterwards."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlmodel import select

from advocates.membership import Membership
from core.access import COMMAND
from core.clock import at
from core.db import session, transaction
from core.errors import Forbidden, NotFound, SpokesError
from core.people import Person
from hub import actions
from hub.roles import give_role
from referrals.conversions.conversions import Conversion
from rewards import grants
from rewards.ledger import ledger, proof
from rewards.payouts import payouts
from rewards.payouts.runs import Payout
from rewards.reward import Reward
from rewards.taking_back import write_offs
from rewards.taking_back.write_offs import AskedAlready, NotAsked, NotOwed, SameHand, WhyNeeded
from tests.at_once import at_once
from tests.factories import Cast, acting, make_person, sign_in
from tests.rewards.payouts.test_payouts import next_month
from tests.rewards.stories import approved, ready_advocate, refund


@pytest.fixture
def ana(cast: Cast) -> Membership:
    return ready_advocate(cast.programme)


@pytest.fixture
def colleague(cast: Cast) -> Person:
    """A second person of finance."""
    with transaction():
        made = make_person("Second Hand")
        give_role(made, "finance", cast.hub.id, by=COMMAND)
        return made


@pytest.fixture
def debt(cast: Cast, ana: Membership) -> str:
    """A line of -12.90 after a payout; answers its id."""
    first = approved(ana, cast.manager)
    with at(next_month()):
        payouts.prepare()
    with at(next_month() + timedelta(minutes=1)), transaction():
        sale = session().get_one(Conversion, grants.get_reward(first).conversion_id)
        grants.reverse_for_refund(refund(sale, 12_900).id)
        return session().exec(select(Reward.id).where(Reward.kind == "clawback")).one()


def ask(debt: str, by: Person, reason: str = "She left") -> None:
    with transaction():
        write_offs.ask(grants.get_reward(debt), by=acting(by), reason=reason)


def confirm(debt: str, by: Person) -> None:
    with transaction():
        write_offs.confirm(grants.get_reward(debt), by=acting(by))


def test_two_people_write_off_and_the_next_reward_is_paid_in_full(
    cast: Cast, ana: Membership, colleague: Person, debt: str
) -> None:
    ask(debt, cast.finance)
    with transaction(read_only=True):
        (asked,) = actions.waiting_for(acting(colleague), kind="write_off.confirm").items
        assert asked.summary == "Write off €12.90: She left"
    confirm(debt, colleague)
    with transaction(read_only=True):
        assert ledger.balance(ledger.payable(ana.id), "EUR") == 0
        assert grants.get_reward(debt).state_reason == "written off: She left"
        assert proof.problems() == []
        assert actions.waiting_for(acting(colleague), kind="write_off.confirm").items == []
    with at(next_month() + timedelta(minutes=2)):
        approved(ana, cast.manager, 5_000)
    with at(next_month() + timedelta(days=32)):
        payouts.prepare()
    with transaction(read_only=True):
        assert sorted(each.amount_minor for each in session().exec(select(Payout))) == [500, 1_290]
        assert proof.problems() == []


def test_one_person_alone_does_not_and_asking_twice_is_once(cast: Cast, colleague: Person, debt: str) -> None:
    with pytest.raises(WhyNeeded):
        ask(debt, cast.finance, " ")
    with pytest.raises(NotAsked):
        confirm(debt, colleague)
    ask(debt, cast.finance)
    with pytest.raises(AskedAlready):
        ask(debt, colleague)
    with pytest.raises(SameHand):
        confirm(debt, cast.finance)


def test_what_was_refused_can_be_asked_again(cast: Cast, colleague: Person, debt: str) -> None:
    ask(debt, cast.finance)
    with transaction():
        write_offs.refuse(grants.get_reward(debt), by=acting(colleague))
    with pytest.raises(NotAsked):
        confirm(debt, colleague)
    ask(debt, cast.finance)
    confirm(debt, colleague)


def test_what_a_payout_offset_meanwhile_or_never_took_back_is_not_written_off(
    cast: Cast, ana: Membership, colleague: Person, debt: str
) -> None:
    ask(debt, cast.finance)
    with at(next_month() + timedelta(minutes=2)):
        other = approved(ana, cast.manager, 50_000)
    with at(next_month() + timedelta(days=32)):
        payouts.prepare()
    with transaction(read_only=True):
        assert actions.waiting_for(acting(colleague), kind=write_offs.CONFIRM).items == []
    with pytest.raises(NotAsked):
        confirm(debt, colleague)
    for line in (debt, other):
        with pytest.raises(NotOwed):
            ask(line, cast.finance)


def test_two_who_agree_at_once_agree_once(cast: Cast, colleague: Person, debt: str) -> None:
    ask(debt, cast.finance)
    done = at_once(lambda: confirm(debt, colleague), lambda: confirm(debt, colleague))
    assert len([each for each in done if isinstance(each, SpokesError)]) == 1
    with transaction(read_only=True):
        assert proof.problems() == []


def test_who_may_not(cast: Cast, debt: str) -> None:
    for person, refusal in (
        (cast.stranger, NotFound),
        (cast.other_manager, NotFound),
        (cast.manager, Forbidden),
    ):
        with pytest.raises(refusal):
            ask(debt, person)


def test_in_the_console(cast: Cast, colleague: Person, debt: str, client: FlaskClient) -> None:
    sign_in(client, cast.finance)
    path = f"/console/rewards/{debt}"
    assert "Ask to write it off" in client.get(path).text
    assert client.post(f"{path}/write-off", data={"act": "ask", "reason": "She left"}).status_code == 303
    assert "A second person of finance has to agree" in client.get(path).text
    sign_in(client, colleague)
    assert "Agree: write it off" in client.get(path).text
    assert client.post(f"{path}/write-off", data={"act": "confirm"}).status_code == 303
    assert "written off: She left" in client.get(path).text
