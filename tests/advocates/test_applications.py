"""Applications: what is reachable from where, who may not decide, who hears what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlmodel import select

from advocates import applications, membership
from advocates.application_states import NEXT, OPEN, STATES, State, move
from advocates.applications import (
    AlreadyApplied,
    Application,
    ApplicationAccepted,
    ApplicationsClosed,
    IllegalChange,
    NewApplication,
    OwnApplication,
)
from core import events
from core.db import session, transaction
from core.people import find_person
from curriculum.enrolment import find_enrolment
from hub.actions import Action
from hub.programmes import ProgrammeNotFound, get_programme
from tests.advocates.stories import FORM, mails_to, make_application, private_link, text_of
from tests.factories import Cast, acting, make_advocate, make_staff


def test_an_application_is_stored_dated_receipted_and_waits_for_a_reviewer(cast: Cast) -> None:
    with transaction():
        made = make_application()
        waiting = session().exec(select(Action).where(Action.subject_id == made.id)).one()
    assert (made.state, made.email, made.minimum_age) == ("submitted", "ines@example.org", 18)
    assert made.channels == ["https://ines.example/blog", "https://video.example/@ines"]
    assert (made.decide_by - made.submitted_at).days == cast.programme.decide_within_days
    assert made.consent_text.startswith("I agree")
    assert (waiting.kind, waiting.right, waiting.due_at) == (
        "application.review",
        "application.review",
        made.decide_by,
    )
    [receipt] = mails_to("ines@example.org")
    assert receipt["Subject"] == "We have your application to Makers"
    for part in ("plain", "html"):  # anybody can type anybody's address: no words of theirs travel there
        assert not [
            typed
            for typed in ("bicycles", "Ines Applicant", "ines.example")
            if typed in text_of(receipt, part)
        ]
    assert private_link(receipt) in text_of(receipt, "html")


def test_a_second_open_application_is_refused_and_one_after_a_no_is_not(cast: Cast) -> None:
    with transaction():
        made = make_application()
        with pytest.raises(AlreadyApplied):
            make_application(email="INES@example.org")
        make_application("gardeners")
        applications.decline(made, by=acting(cast.manager), reason="Not this season.")
        again = make_application()
    assert again.id != made.id


def test_programmes_that_are_closed_or_unknown_take_nothing(cast: Cast) -> None:
    with transaction():
        get_programme(cast.programme.id).open_to_applications = False
        session().flush()
        with pytest.raises(ApplicationsClosed):
            make_application()
        with pytest.raises(ProgrammeNotFound):
            make_application("nowhere")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("age", "no"),
        ("consent", "no"),
        ("email", "ines"),
        ("email", "ines@example.org\nBcc: all@example.org"),
        ("channels", "javascript:alert(1)"),
        ("channels", "@ines"),
        ("channels", "http://[broken"),
        ("channels", "\n".join(f"https://{n}.example" for n in range(11))),
        ("why", "  "),
        ("name", "x" * 201),
        ("state", "accepted"),
    ],
)
def test_what_an_application_refuses(field: str, value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        NewApplication.model_validate({**FORM, "programme": "makers", field: value})
    assert [each["loc"][0] for each in refused.value.errors()] == [field]


def test_accepting_makes_an_account_a_membership_an_invitation_and_says_so(cast: Cast) -> None:
    heard: list[ApplicationAccepted] = []
    events.when(ApplicationAccepted, heard.append)
    with transaction():
        made = make_application()
        member = applications.accept(made, by=acting(cast.manager), reason="We love your blog.")
        person = find_person("ines@example.org")
        waiting = session().exec(select(Action).where(Action.subject_id == made.id)).one()
    assert person is not None
    assert (member.person_id, made.membership_id, made.state) == (person.id, member.id, "accepted")
    assert waiting.done_by == cast.manager.id
    assert [each.membership_id for each in heard if each.application_id == made.id] == [member.id]
    answer = mails_to("ines@example.org")[-1]
    assert "/welcome/" in text_of(answer)
    assert "We love your blog." in text_of(answer)
    assert f"number is {member.number}" in text_of(answer)


def test_somebody_with_an_account_is_sent_to_sign_in_and_keeps_their_name(cast: Cast) -> None:
    with transaction():
        made = make_application(email=cast.stranger.email, name="Somebody Else")
        member = applications.accept(made, by=acting(cast.manager))
        assert member.person_id == cast.stranger.id
        assert find_person(cast.stranger.email).name == "Stran Ger"  # type: ignore[union-attr]  # found above
    assert "/login" in text_of(mails_to(cast.stranger.email)[-1])


def test_an_advocate_is_not_made_twice(cast: Cast) -> None:
    with transaction():
        member = make_advocate(cast.programme, "Ines Applicant")
        made = make_application(email="ines.applicant@example.org")
        with pytest.raises(membership.AlreadyMember):
            applications.accept(made, by=acting(cast.manager))
    assert member.number == 1


def test_nobody_decides_about_themselves(cast: Cast) -> None:
    with transaction():
        made = make_application(email=cast.manager.email)
        other = applications.submit(
            NewApplication.model_validate(
                {**FORM, "programme": "makers", "email": "mara.private@example.org"}
            ),
            person_id=cast.manager.id,
        )
        for own in (made, other):
            for verb in (
                applications.decline,
                applications.ask_info,
                applications.waitlist,
                applications.accept,
            ):
                with pytest.raises(OwnApplication):
                    verb(own, by=acting(cast.manager), reason="Because.")
            with pytest.raises(OwnApplication):
                applications.take_up(own, by=acting(cast.manager))
        applications.accept(made, by=acting(cast.hub_admin))


def test_a_question_is_answered_by_the_applicant_and_then_decided(cast: Cast) -> None:
    with transaction():
        made = make_application()
        with pytest.raises(IllegalChange):
            applications.answer(made, "Nobody asked.")
        applications.take_up(made, by=acting(cast.manager))
        applications.ask_info(made, by=acting(cast.manager), reason="Which tools?", note="sounds good")
        applications.answer(made, "The torque wrench.")
        applications.waitlist(made, by=acting(cast.manager), reason="We are full until May.")
        applications.take_up(made, by=acting(cast.manager))
        applications.accept(made, by=acting(cast.manager))
        changes = applications.history(made.id)
    assert [each.to_state for each in changes] == [
        "submitted",
        "in_review",
        "needs_info",
        "in_review",
        "waitlisted",
        "in_review",
        "accepted",
    ]
    assert changes[3].actor_kind == "applicant"
    subjects = [each["Subject"] for each in mails_to("ines@example.org")]
    assert len(subjects) == 4
    assert not any("sounds good" in text_of(each) for each in mails_to("ines@example.org"))


def test_declining_says_why_and_keeps_the_private_note_private(cast: Cast) -> None:
    with transaction():
        made = make_application()
        applications.decline(
            made, by=acting(cast.manager), reason="We look for people who teach.", note="rude on the phone"
        )
        assert applications.history(made.id)[-1].note == "rude on the phone"
    answer = mails_to("ines@example.org")[-1]
    assert "people who teach" in text_of(answer)
    assert "people who teach" in text_of(answer, "html")
    assert "rude" not in answer.as_string()


def test_a_mail_shows_what_was_typed_as_text(cast: Cast) -> None:
    with transaction():
        make_application(why="<img src=x onerror=alert(1)>")
    assert "<img" not in text_of(mails_to("ines@example.org")[0], "html")


def test_a_withdrawn_application_is_off_the_list_and_final(cast: Cast) -> None:
    with transaction():
        made = make_application()
        applications.withdraw(made)
        waiting = session().exec(select(Action).where(Action.subject_id == made.id)).one()
        assert waiting.done_at is not None
        with pytest.raises(IllegalChange, match="already withdrawn"):
            applications.accept(made, by=acting(cast.manager))


def test_two_reviewers_at_once_the_second_is_told(cast: Cast) -> None:
    with transaction():
        made = make_application()
    with transaction():
        applications.decline(session().get_one(Application, made.id), by=acting(cast.manager), reason="No.")
    with transaction(), pytest.raises(IllegalChange):
        move(made, "accepted", by=acting(cast.hub_admin))  # what the second one has read is old


def test_every_change_that_the_table_does_not_list_is_refused(cast: Cast) -> None:
    with transaction():
        made = make_application()
        for state in STATES:
            for to in STATES:
                made.state = state
                session().flush()
                if to not in NEXT[state]:
                    with pytest.raises(IllegalChange):
                        move(made, to, by=acting(cast.manager))


@given(st.lists(st.sampled_from(STATES), max_size=8))
def test_from_every_open_state_there_is_a_way_to_an_answer(path: list[State]) -> None:
    state: State = "submitted"
    for step in path:
        state = step if step in NEXT[state] else state
    reachable, frontier = {state}, {state}
    while frontier:
        frontier = {to for each in frontier for to in NEXT[each]} - reachable
        reachable |= frontier
    assert state not in OPEN or {"accepted", "declined", "withdrawn"} <= reachable


def test_a_reviewer_of_another_unit_has_no_right_here(cast: Cast) -> None:
    with transaction():
        reviewer = make_staff("Rea Viewer", "reviewer", cast.south)
        assert cast.north.id not in acting(reviewer).units_for("application.review")


def test_without_anything_to_learn_yet_an_applicant_is_accepted_and_enrols_later(cast: Cast) -> None:
    with transaction():
        made = make_application()
        get_programme(cast.programme.id).certification_slug = "unpublished"
    with transaction():
        member = applications.accept(session().get_one(Application, made.id), by=acting(cast.manager))
    with transaction(read_only=True):
        assert session().get_one(Application, made.id).state == "accepted"
        assert find_enrolment(member.id, "unpublished") is None
