"""Decisions about money ask for the password again when the last proof is some time ago."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from advocates.membership import Membership
from core.clock import at, now
from core.db import transaction
from core.people import get_person
from rewards import grants
from tests.factories import PASSWORD, Cast, make_advocate, sign_in
from tests.rewards.stories import approvable, percent_rule

LATER = timedelta(minutes=16)


@pytest.fixture
def ana(cast: Cast) -> Membership:
    with transaction():
        percent_rule(cast.programme)
        return make_advocate(cast.programme)


@pytest.fixture
def picked(ana: Membership) -> str:
    reward_id = approvable(ana)
    with transaction():
        return f"{reward_id}:{grants.get_reward(reward_id).content_hash}"


def state_of(picked: str) -> str:
    with transaction(read_only=True):
        return grants.get_reward(picked.partition(":")[0]).state


def test_soon_after_signing_in_nobody_is_asked(client: FlaskClient, cast: Cast, picked: str) -> None:
    sign_in(client, cast.manager)
    with at(now() + timedelta(minutes=14)):
        assert client.post("/console/rewards", data={"act": "approve", "picked": [picked]}).status_code == 303
    assert state_of(picked) == "approved"


def test_later_the_password_is_asked_for_and_what_was_picked_is_kept(
    client: FlaskClient, cast: Cast, picked: str
) -> None:
    sign_in(client, cast.manager)
    form = {"act": "approve", "picked": [picked]}
    with at(now() + LATER):
        asked = client.post("/console/rewards", data=form)
        assert asked.status_code == 403
        assert "Your password, please" in asked.text
        assert f'name="picked" value="{picked}"' in asked.text
        assert state_of(picked) == "approvable"
        wrong = client.post("/console/rewards", data={**form, "password_again": "not it"})
        assert (wrong.status_code, state_of(picked)) == (422, "approvable")
        assert "This is not your password." in wrong.text
        assert "not it" not in wrong.text
        right = client.post("/console/rewards", data={**form, "password_again": PASSWORD})
        assert (right.status_code, state_of(picked)) == (303, "approved")
        undo = {"act": "undo"}
        assert client.post(f"/console/rewards/{picked.partition(':')[0]}", data=undo).status_code == 303


def test_what_pays_nobody_needs_no_proof_and_strangers_are_refused_without_being_asked(
    client: FlaskClient, cast: Cast, picked: str
) -> None:
    sign_in(client, cast.stranger)
    with at(now() + LATER):
        refused = client.post("/console/rewards", data={"act": "approve", "picked": [picked]})
        assert refused.status_code == 403
        assert "Your password, please" not in refused.text
    sign_in(client, cast.manager)
    with at(now() + LATER):
        form = {"act": "deny", "picked": [picked], "reason": "Not ours."}
        assert client.post("/console/rewards", data=form).status_code == 303
    assert state_of(picked) == "denied"


@pytest.mark.parametrize("acts", [["", "approve"], ["show", "approve"], [" ", "approve"], ["approve", ""]])
def test_an_act_that_is_sent_twice_is_asked_for_all_the_same(
    client: FlaskClient, cast: Cast, picked: str, acts: list[str]
) -> None:
    """A form takes the last value that is not empty; the question is asked for any that wants it."""
    sign_in(client, cast.manager)
    with at(now() + LATER):
        asked = client.post("/console/rewards", data={"act": acts, "picked": [picked]})
        assert (asked.status_code, "Your password, please" in asked.text) == (403, True)
    assert state_of(picked) == "approvable"


def test_guessing_is_stopped_after_ten_tries(client: FlaskClient, cast: Cast, picked: str) -> None:
    sign_in(client, cast.manager)
    with at(now() + LATER):
        form = {"act": "approve", "picked": [picked], "password_again": "guess"}
        tried = [client.post("/console/rewards", data=form).status_code for _ in range(11)]
        assert tried == [422] * 10 + [429]
        form["password_again"] = PASSWORD
        assert client.post("/console/rewards", data=form).status_code == 429
    assert state_of(picked) == "approvable"


def test_where_money_goes_and_when_asks_too(client: FlaskClient, cast: Cast, ana: Membership) -> None:
    with transaction(read_only=True):
        person = get_person(ana.person_id)
    sign_in(client, person)
    with at(now() + LATER):
        asked = client.post("/portal/rewards/account", data={"country": "DE"})
        assert (asked.status_code, "Your password, please" in asked.text) == (403, True)
    sign_in(client, cast.finance)
    with at(now() + LATER):
        asked = client.post("/console/payouts", data={"programme_id": cast.programme.id})
        assert (asked.status_code, "Your password, please" in asked.text) == (403, True)


def test_what_stands_between_a_reward_and_its_payout_asks_too(client: FlaskClient, cast: Cast) -> None:
    page = f"/console/settings/programmes/{cast.programme.id}"
    sign_in(client, cast.finance)
    with at(now() + LATER):
        asked = client.post(f"{page}/four-eyes", data={"four_eyes_above": "50", "tax_forms": "always"})
        assert (asked.status_code, "Your password, please" in asked.text) == (403, True)
    sign_in(client, cast.hub_admin)
    with at(now() + LATER):
        asked = client.post(page, data={"four_eyes_above": "50"})
        assert (asked.status_code, "Your password, please" in asked.text) == (403, True)
