"""Activities: handed in, looked at by a person of the unit, counted once."""

from datetime import timedelta

import pytest
from sqlmodel import select

from advocates import activities, activity_kinds
from advocates.activities import Activity, ActivityAccepted
from advocates.activity_kinds import ActivityKind
from advocates.membership import Membership, change_standing
from core.access import COMMAND
from core.clock import at, now
from core.db import session, transaction
from core.errors import NotFound
from core.events import when
from core.outbox import OutboxMessage
from core.people import get_person
from hub import actions
from hub.roles import give_role
from tests.factories import Cast, acting, make_advocate, make_staff


def a_kind(cast: Cast, name: str = "A talk") -> ActivityKind:
    return activity_kinds.define(cast.programme, name, "activity", by=COMMAND)


def handed_in(member: Membership, kind: ActivityKind, evidence: str = "https://talks.example/7") -> Activity:
    by = acting(get_person(member.person_id))
    return activities.submit(member, kind.id, evidence=evidence, words="", by=by)


def test_an_activity_waits_on_the_list_until_it_is_accepted_and_the_advocate_is_told(cast: Cast) -> None:
    told: list[ActivityAccepted] = []
    when(ActivityAccepted, told.append)
    with transaction():
        activity = handed_in(make_advocate(cast.programme), a_kind(cast))
        manager = acting(cast.manager)
        assert actions.counts_for(manager) == {"activity.decide": 1}
        activities.accept(activity, by=manager)
        assert (activity.state, activity.decided_by) == ("accepted", cast.manager.id)
        assert actions.counts_for(manager) == {}
        assert [each.activity_id for each in told] == [activity.id]
        with pytest.raises(activities.AlreadyDecided):
            activities.accept(activity, by=manager)
        with pytest.raises(activities.AlreadyDecided):
            activities.decline(activity, by=manager, reason="Too late.")
        assert len(told) == 1
        mails = session().exec(select(OutboxMessage).where(OutboxMessage.subject == activity.id)).all()
        assert [each.step for each in mails] == ["activity_decided:accepted"]


def test_the_same_address_counts_once_for_an_advocate_however_it_is_written(cast: Cast) -> None:
    with transaction():
        ana, ben, kind = make_advocate(cast.programme), make_advocate(cast.programme, "Ben"), a_kind(cast)
        first = handed_in(ana, kind)
        for again in ("https://TALKS.example/7/", " https://talks.example/7#top"):
            with pytest.raises(activities.SubmittedBefore):
                handed_in(ana, kind, again)
        handed_in(ben, kind)
        activities.decline(first, by=acting(cast.manager), reason="The page is empty.")
        anew = handed_in(ana, kind)
        activities.accept(anew, by=acting(cast.manager))
        activities.take_back(anew, by=acting(cast.manager), reason="It was a copy.")
        with pytest.raises(activities.SubmittedBefore):
            handed_in(ana, kind)


@pytest.mark.parametrize(
    "typed",
    [
        "javascript:alert(1)",
        "talks.example",
        "https://",
        "https://a b.example",
        "https://x@y.example",
        "https://[",
        "https://a.example/" + "x" * 500,
    ],
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(activities.WrongAddress):
        activities.normal_address(typed)


def test_declining_and_taking_back_need_a_reason(cast: Cast) -> None:
    with transaction():
        activity = handed_in(make_advocate(cast.programme), a_kind(cast))
        for refuse in (activities.decline, activities.take_back):
            with pytest.raises(activities.ReasonNeeded):
                refuse(activity, by=acting(cast.manager), reason=" ")
        with pytest.raises(activities.AlreadyDecided):
            activities.take_back(activity, by=acting(cast.manager), reason="It was never accepted.")


def test_nobody_decides_about_their_own_nor_about_another_units(cast: Cast) -> None:
    with transaction():
        kind = a_kind(cast)
        activity = handed_in(make_advocate(cast.programme), kind)
        with pytest.raises(NotFound):
            activities.accept(activity, by=acting(cast.other_manager))
        member = make_advocate(cast.programme, "Rita Reviewer")
        own = handed_in(member, kind)
        give_role(get_person(member.person_id), "reviewer", cast.north.id, by=COMMAND)
        with pytest.raises(activities.OwnActivity):
            activities.accept(own, by=acting(get_person(member.person_id)))
        activities.accept(own, by=acting(make_staff("Rob Reviewer", "reviewer", cast.north)))


def test_nothing_is_handed_in_outside_ones_term_of_a_kind_that_ended_or_of_another_programme(
    cast: Cast,
) -> None:
    with transaction():
        ana, kind = make_advocate(cast.programme), a_kind(cast)
        other = activity_kinds.define(cast.other_programme, "A talk", "activity", by=COMMAND)
        with pytest.raises(activity_kinds.KindNotFound):
            handed_in(ana, other)
        with pytest.raises(activity_kinds.NameTaken):
            a_kind(cast)
        change_standing(ana, "leave", by=COMMAND, reason="Away.")
        with at(now() + timedelta(seconds=1)), pytest.raises(activities.NotYourTerm):
            handed_in(ana, kind)
        activity_kinds.end(kind, cast.programme, by=COMMAND)
        with pytest.raises(activity_kinds.KindNotFound):
            handed_in(ana, kind)


def test_twenty_wait_at_most(cast: Cast) -> None:
    with transaction():
        ana, kind = make_advocate(cast.programme), a_kind(cast)
        for number in range(activities.MOST_WAITING):
            handed_in(ana, kind, f"https://talks.example/{number}")
        with pytest.raises(activities.TooManyWait):
            handed_in(ana, kind, "https://talks.example/more")
