"""An appeal: once, with words, answered by somebody who may, and the conversion moves with its money and its score."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlmodel import col, select

from advocates.membership import Membership
from core import db
from core.access import COMMAND
from core.clock import now
from core.errors import Forbidden, NotFound, SpokesError
from core.outbox import OutboxMessage
from core.people import get_person
from core.settings import Settings
from hub import actions
from hub.roles import give_role
from referrals.clicks.click_ids import new_click_id
from referrals.clicks.link_table import milliseconds
from referrals.clicks.tokens import sign, signing_key
from referrals.conversions import appeals, reassignment
from referrals.conversions.appeals import (
    AlreadyAppealed,
    AlreadyDecided,
    Appeal,
    IsYours,
    OwnAppeal,
    OwnDecision,
    ReasonNeeded,
)
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion
from referrals.conversions.reassignment import IsShared, Reassignment, WonElsewhere
from referrals.conversions.recording import ConversionDiffers
from rewards.approvals import approvals
from rewards.reward import Reward
from rewards.rules import rules
from rewards.rules.rules import Terms
from tests.at_once import at_once, while_open
from tests.factories import Cast, acting, sign_in
from tests.referrals.conversions.appealing import (
    acting_as,
    answer,
    ask,
    lost,
    money,
    nothing_is_wrong,
    scores,
    shared,
)
from tests.referrals.stories import bring, give_back, make_earner, make_link


def test_a_granted_appeal_moves_the_conversion_its_rewards_and_its_score(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, bo = two
    order = lost(cast)
    with db.transaction():
        give_back(cast.north.id, "o-1", 2_900)
    assert (scores(ana), scores(bo)) == ((1, 10_000, 5), (0, 0, 0))
    answer(cast, ask(bo, order))
    assert (scores(ana), scores(bo)) == ((0, 0, 0), (1, 10_000, 5))
    assert (money(ana, order), money(bo, order)) == ([("denied", 1_000)], [("pending", 1_000)])
    assert nothing_is_wrong()
    with db.transaction(read_only=True) as session:
        found = session.get_one(Conversion, order)
        assert (found.membership_id, found.assessed_at) == (bo.id, None)  # looked at anew, for Bo
        won = [e.membership_id for e in session.exec(select(AttributionCandidate)) if e.won]
        assert won == [bo.id]
        entry = session.exec(select(Reassignment)).one()
        assert (entry.from_membership_id, entry.to_membership_id) == (ana.id, bo.id)
    with db.transaction():
        give_back(cast.north.id, "o-1", 10_000)
    assert (scores(ana), scores(bo)) == ((0, 0, 0), (0, 0, 0))
    assert nothing_is_wrong()


def test_what_was_nobodys_is_granted_by_the_rules_of_then(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    _ana, bo = two
    with db.transaction():
        when = (now() - timedelta(hours=1)).isoformat()
        order = bring(cast.north.id, coupon="BOB10", occurred_at=when).id  # before the link ran
        assert db.session().get_one(Conversion, order).membership_id is None
    with db.transaction():
        rules.change_rule(cast.programme, "sale", Terms("percent", rate_basis_points=5_000), by=COMMAND)
    answer(cast, ask(bo, order))
    assert money(bo, order) == [("pending", 1_290)]
    assert scores(bo) == (1, 12_900, 7)
    assert nothing_is_wrong()


def test_one_appeal_each_and_none_for_what_is_ones_own(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, bo = two
    order = lost(cast)
    ask(bo, order)
    with pytest.raises(AlreadyAppealed):
        ask(bo, order)
    with pytest.raises(IsYours):
        ask(ana, order)


def test_twice_at_once_is_one_appeal(cast: Cast, two: tuple[Membership, Membership]) -> None:
    _ana, bo = two
    order = lost(cast)
    done = at_once(lambda: ask(bo, order), lambda: ask(bo, order))
    assert [type(each) for each in done if isinstance(each, SpokesError)] == [AlreadyAppealed]


def test_who_was_no_candidate_finds_nothing_to_appeal(cast: Cast, two: tuple[Membership, Membership]) -> None:
    _ana, bo = two
    order = lost(cast, coupon=None)
    with pytest.raises(NotFound):
        ask(bo, order)


def test_rejecting_leaves_everything_and_answers(cast: Cast, two: tuple[Membership, Membership]) -> None:
    ana, bo = two
    order = lost(cast)
    asked = ask(bo, order)
    with pytest.raises(ReasonNeeded):
        answer(cast, asked, "reject", reason=" ")
    answer(cast, asked, "reject", reason="The code came first.")
    with db.transaction(read_only=True) as session:
        assert session.get_one(Appeal, asked).reason == "The code came first."
        assert actions.counts_for(acting(cast.manager)) == {}
    assert scores(ana) == (1, 12_900, 7)
    with pytest.raises(AlreadyDecided):
        answer(cast, asked)


@pytest.mark.parametrize(("act", "told"), [("grant", "It is yours now"), ("reject", "It stays as it was")])
def test_who_appealed_is_told_the_answer_once_by_mail_and_nobody_else_is(
    cast: Cast, two: tuple[Membership, Membership], act: str, told: str
) -> None:
    _ana, bo = two
    order = lost(cast)
    asked = ask(bo, order)
    answer(cast, asked, act, reason="We looked at both.")
    with pytest.raises(AlreadyDecided):
        answer(cast, asked, act)
    with db.transaction(read_only=True) as session:
        [left] = session.exec(select(OutboxMessage).where(col(OutboxMessage.step).startswith("appeal"))).all()
        assert left.recipient == get_person(bo.person_id).email
    for part in ("text", "html"):
        assert told in left.content[part]
        assert "We looked at both." in left.content[part]
        assert f"/portal/conversions/{order}" in left.content[part]


def test_two_answers_at_once_are_one(cast: Cast, two: tuple[Membership, Membership]) -> None:
    _ana, bo = two
    order = lost(cast)
    asked = ask(bo, order)
    done = at_once(lambda: answer(cast, asked, "grant"), lambda: answer(cast, asked, "reject"))
    assert [type(each) for each in done if isinstance(each, SpokesError)] == [AlreadyDecided]
    assert nothing_is_wrong()


def test_the_other_units_manager_knows_of_nothing(cast: Cast, two: tuple[Membership, Membership]) -> None:
    _ana, bo = two
    asked = ask(bo, lost(cast))
    with pytest.raises(NotFound):
        answer(cast, asked, who="other_manager")
    with pytest.raises(Forbidden):
        answer(cast, asked, who="finance")


def test_what_another_units_advocate_has_is_decided_above_both(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    _ana, bo = two
    with db.transaction():
        make_link(make_earner(cast.other_programme, "Cy South"), "cyd")
        order = bring(cast.hub.id, code="cyd", coupon="BOB10").id
    asked = ask(bo, order)
    for who in ("manager", "other_manager"):
        with pytest.raises(NotFound):
            answer(cast, asked, who=who)
    answer(cast, asked, who="hub_admin")
    assert scores(bo)[0] == 1
    assert nothing_is_wrong()


def test_nobody_answers_an_appeal_about_what_they_have_themselves(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, bo = two
    asked = ask(bo, lost(cast))
    with db.transaction():
        for member in (ana, bo):
            give_role(get_person(member.person_id), "manager", cast.north.id, by=COMMAND)
    for member in (ana, bo):
        with pytest.raises(OwnAppeal), db.transaction():
            appeals.reject(appeals.get_appeal(asked), by=acting_as(member), reason="No.")


def test_a_denied_reward_may_be_appealed_and_is_granted_anew(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, _bo = two
    order = lost(cast)
    with db.transaction() as session:
        mine = select(Reward).where(Reward.conversion_id == order, Reward.currency == "EUR")
        approvals.deny(session.exec(mine).one(), by=acting(cast.manager), reason="A colleague bought it.")
    asked = ask(ana, order, "She is no colleague.")
    for verb in ("grant", "reject"):
        with pytest.raises(OwnDecision):
            answer(cast, asked, verb)
    answer(cast, asked, who="hub_admin")
    assert money(ana, order) == [("denied", 1_290), ("pending", 1_290)]
    assert scores(ana) == (1, 12_900, 7)
    assert nothing_is_wrong()


def test_whoever_denied_sees_that_somebody_else_answers_and_is_refused(
    cast: Cast, two: tuple[Membership, Membership], client: FlaskClient
) -> None:
    ana, _bo = two
    order = lost(cast)
    with db.transaction() as session:
        mine = select(Reward).where(Reward.conversion_id == order, Reward.currency == "EUR")
        approvals.deny(session.exec(mine).one(), by=acting(cast.manager), reason="A colleague bought it.")
    address = f"/console/appeals/{ask(ana, order)}"
    sign_in(client, cast.manager)
    page = client.get(address).text
    assert "Somebody else has to answer the appeal" in page
    assert 'value="grant"' not in page
    assert client.post(address, data={"act": "reject", "reason": "No."}).status_code == 403
    client.post("/logout")
    sign_in(client, cast.hub_admin)
    assert 'value="grant"' in client.get(address).text
    assert client.post(address, data={"act": "reject", "reason": "No."}).status_code == 303


def test_a_shared_conversion_is_not_given_to_one(cast: Cast, two: tuple[Membership, Membership]) -> None:
    ana, bo = two
    order = shared(cast)
    with db.transaction() as session:
        found, by = session.get_one(Conversion, order), acting(cast.manager)
        with pytest.raises(IsShared):
            reassignment.reassign(found, bo, link_id=None, why="x", by=by)
    assert scores(ana)[1] + scores(bo)[1] == 12_900
    assert nothing_is_wrong()


def unwon(cast: Cast) -> str:
    """An order that the hub's shop told of Ana's link, an hour before that ran: nobody's."""
    with db.transaction():
        when = (now() - timedelta(hours=1)).isoformat()
        return bring(cast.hub.id, COMMAND, external_id="o-1", code="ana", occurred_at=when).id


def test_an_order_that_was_won_as_another_shop_told_it_is_not_granted_as_well(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, bo = two
    order = unwon(cast)
    asked = ask(ana, order)
    with db.transaction():
        won = bring(cast.north.id, external_id="o-1", code="bob").id
    with pytest.raises(WonElsewhere):
        answer(cast, asked, who="hub_admin")
    assert (money(ana, order), money(bo, won)) == ([], [("pending", 1_290)])
    answer(cast, asked, "reject", who="hub_admin")


def test_what_another_shop_gave_back_of_the_same_order_is_taken_off_what_is_granted(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, _bo = two
    order = unwon(cast)
    with db.transaction():
        bring(cast.north.id, external_id="o-1", customer={"external_id": "c-1"})
        give_back(cast.north.id, "o-1", 2_900)
    answer(cast, ask(ana, order), who="hub_admin")
    assert (scores(ana)[1], money(ana, order)) == (10_000, [("pending", 1_000)])
    with db.transaction():
        give_back(cast.north.id, "o-1", 10_000)
    assert (scores(ana), money(ana, order)) == ((0, 0, 0), [("reversed", 0)])
    assert nothing_is_wrong()


def test_a_grant_and_the_same_order_as_another_shop_tells_it_are_one_after_the_other(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    ana, bo = two
    order = unwon(cast)
    asked = ask(ana, order)

    def tell() -> None:
        with db.transaction():
            bring(cast.north.id, external_id="o-1", code="bob")

    def grant() -> None:
        appeals.grant(appeals.get_appeal(asked), by=acting(cast.hub_admin), reason="It was hers.")

    told = while_open(grant, tell)
    assert told is None or isinstance(told, ConversionDiffers)
    assert (scores(ana)[0], scores(bo)[0]) == (1, 0)
    assert nothing_is_wrong()


def test_of_several_clicks_on_the_winning_link_one_wins_again(
    cast: Cast, two: tuple[Membership, Membership], settings: Settings
) -> None:
    ana, _bo = two
    times = [milliseconds(now() + timedelta(minutes=minute)) for minute in (1, 2)]
    key = signing_key(settings.secret)
    first, last = (sign(new_click_id(each), "ana", each, key) for each in times)
    with db.transaction():
        when = (now() + timedelta(hours=1)).isoformat()
        order = bring(cast.north.id, click=last, clicks=[first], occurred_at=when)
        reassignment.reassign(order, None, link_id=None, why="taken", by=acting(cast.manager))
    answer(cast, ask(ana, order.id))
    with db.transaction(read_only=True) as session:
        mine = select(AttributionCandidate).where(AttributionCandidate.conversion_id == order.id)
        won = [each for each in session.exec(mine) if each.won]
    assert [(each.given, each.share_minor) for each in won] == [(last[:26], 12_900)]
