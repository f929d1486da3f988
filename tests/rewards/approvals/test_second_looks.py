"""Second looks at denied rewards that no conversion is behind: asked once, answered by somebody else, paid like any other."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlmodel import select

from advocates import activities, activity_kinds
from advocates.membership import Membership
from core.access import COMMAND
from core.clock import at, now
from core.db import session, transaction
from core.errors import Forbidden, NotFound
from core.ids import new_id
from core.money import Money
from core.outbox import OutboxMessage
from core.people import Person
from hub import actions
from rewards import grants
from rewards.approvals import approvals, second_looks
from rewards.approvals.second_looks import (
    AskedBefore,
    NotAsked,
    NotDenied,
    OwnDecision,
    ReasonNeeded,
    WordsNeeded,
)
from rewards.ledger import ledger, proof
from rewards.reward import Reward
from rewards.rules import rules
from rewards.rules.rules import Terms
from tests.factories import Cast, acting, make_advocate, make_staff, sign_in
from tests.rewards.stories import LONG_AGO, seen


@pytest.fixture
def ana(cast: Cast) -> Membership:
    with transaction():
        terms = Terms("flat", flat=Money(2_500, "EUR"))
        rules.change_rule(cast.programme, "certification", terms, by=COMMAND, valid_from=LONG_AGO)
        return make_advocate(cast.programme)


@pytest.fixture
def denied(cast: Cast, ana: Membership) -> str:
    """25.00 for a certification, which Mara denied."""
    with transaction():
        reward = grants.grant_for_certification(new_id(), ana.id)[0]
        approvals.deny(reward, by=acting(cast.manager), reason="Not yet.")
        return reward.id


def ask(ana: Membership, reward_id: str, words: str = "I passed it.") -> None:
    with transaction():
        person = session().get_one(Person, ana.person_id)
        second_looks.ask(ana, session().get_one(Reward, reward_id), words=words, by=acting(person))


def answer(reward_id: str, by: Person, *, grant: bool, reason: str = "We looked.") -> None:
    with transaction():
        reward = session().get_one(Reward, reward_id)
        (second_looks.grant if grant else second_looks.reject)(reward, by=acting(by), reason=reason)


def stands(ana: Membership, reward_id: str) -> tuple[str, int]:
    with transaction(read_only=True):
        assert proof.problems() == []
        return session().get_one(Reward, reward_id).state, ledger.balance(ledger.pending(ana.id), "EUR")


def test_granted_it_waits_for_approval_as_it_was(cast: Cast, ana: Membership, denied: str) -> None:
    assert stands(ana, denied) == ("denied", 0)
    ask(ana, denied)
    with transaction():
        (asked,) = actions.waiting_for(acting(cast.hub_admin), kind=second_looks.DECIDE).items
        assert asked.summary == "Ana Advocate asks for €25.00: I passed it."
    answer(denied, cast.hub_admin, grant=True)
    assert stands(ana, denied) == ("pending", 2_500), "its hold is not over"
    with transaction():
        told = session().exec(select(OutboxMessage).where(OutboxMessage.subject == denied)).all()
        assert any("We looked." in each.content["text"] for each in told)
    with at(now() + timedelta(days=31)):
        grants.open_after_hold()
        assert stands(ana, denied) == ("approvable", 2_500)
        with transaction():
            approvals.approve(seen(session().get_one(Reward, denied)), by=acting(cast.manager))
    assert stands(ana, denied)[0] == "approved"


def test_granted_after_its_hold_it_can_be_approved_at_once(cast: Cast, ana: Membership, denied: str) -> None:
    with at(now() + timedelta(days=31)):
        ask(ana, denied)
        answer(denied, cast.hub_admin, grant=True)
    assert stands(ana, denied) == ("approvable", 2_500)


def test_rejected_it_stays_denied_and_is_not_asked_again(cast: Cast, ana: Membership, denied: str) -> None:
    ask(ana, denied)
    answer(denied, cast.hub_admin, grant=False)
    assert stands(ana, denied) == ("denied", 0)
    with pytest.raises(AskedBefore):
        ask(ana, denied)
    with pytest.raises(NotAsked):
        answer(denied, cast.hub_admin, grant=True)


def test_whoever_denied_it_does_not_answer_and_nobody_answers_their_own(
    cast: Cast, ana: Membership, denied: str
) -> None:
    ask(ana, denied)
    with pytest.raises(OwnDecision):
        answer(denied, cast.manager, grant=True)
    with pytest.raises(ReasonNeeded):
        answer(denied, cast.hub_admin, grant=True, reason=" ")
    for person, refusal in ((cast.finance, Forbidden), (cast.other_manager, NotFound)):
        with pytest.raises(refusal):
            answer(denied, person, grant=True)
    assert stands(ana, denied) == ("denied", 0)


def test_denied_again_and_granted_no_second_time(cast: Cast, ana: Membership, denied: str) -> None:
    ask(ana, denied)
    answer(denied, cast.hub_admin, grant=True)
    with transaction():
        approvals.deny(session().get_one(Reward, denied), by=acting(cast.manager), reason="Still not.")
    assert stands(ana, denied) == ("denied", 0)
    with pytest.raises(AskedBefore):
        ask(ana, denied)


def test_what_was_not_denied_cannot_be_asked_for(cast: Cast, ana: Membership) -> None:
    with transaction():
        reward = grants.grant_for_certification(new_id(), ana.id)[0]
    with pytest.raises(NotDenied):
        ask(ana, reward.id)


def test_words_are_needed(ana: Membership, denied: str) -> None:
    with pytest.raises(WordsNeeded):
        ask(ana, denied, "  ")


def test_asked_in_the_portal_and_answered_in_the_console(
    client: FlaskClient, cast: Cast, ana: Membership, denied: str
) -> None:
    with transaction():
        person = session().get_one(Person, ana.person_id)
        second = make_staff("Mo Second", "manager", cast.north)
        other = make_advocate(cast.programme, "Bo Other")
        stranger = session().get_one(Person, other.person_id)
    sign_in(client, person)
    assert "Ask for a second look" in client.get(f"/portal/rewards/{denied}").text
    assert client.post(f"/portal/rewards/{denied}", data={"words": ""}).status_code == 422
    assert client.post(f"/portal/rewards/{denied}", data={"words": "I passed it."}).status_code == 303
    assert "somebody looks at it" in client.get(f"/portal/rewards/{denied}").text
    sign_in(client, stranger)
    assert client.post(f"/portal/rewards/{denied}", data={"words": "mine"}).status_code == 404
    sign_in(client, second)
    assert f"/console/rewards/{denied}" in client.get("/console").text
    page = client.get(f"/console/rewards/{denied}").text
    assert ("I passed it." in page, "Have it approved after all" in page) == (True, True)
    done = client.post(f"/console/rewards/{denied}/second-look", data={"act": "grant", "reason": "She did."})
    assert done.status_code == 303
    assert "granted" in client.get(f"/console/rewards/{denied}").text


def test_an_activity_that_was_taken_back_is_not_looked_at_again(cast: Cast, ana: Membership) -> None:
    with transaction():
        terms = Terms("flat", flat=Money(900, "EUR"))
        rules.change_rule(cast.programme, "activity", terms, by=COMMAND, valid_from=LONG_AGO)
        kind = activity_kinds.define(cast.programme, "A talk", "activity", by=COMMAND)
        person = session().get_one(Person, ana.person_id)
        talk = activities.submit(ana, kind.id, evidence="https://talk.example/1", words="", by=acting(person))
        activities.accept(talk, by=acting(cast.manager))
        reward = session().exec(select(Reward)).one()
        activities.take_back(talk, by=acting(cast.hub_admin), reason="It never happened.")
        assert reward.state == "denied"
    with pytest.raises(NotDenied):
        ask(ana, reward.id)
