"""Staff's pages: each sees what their units teach, and only those who may revoke do."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from core.access import COMMAND
from core.db import session, transaction
from core.people import Person
from curriculum import console_figures
from curriculum.attempts import start
from curriculum.certification import Award, revocation_of
from curriculum.enrolment import Enrolment, enrol
from curriculum.handing_in import submit
from curriculum.releases import Release, content_of, publish
from tests.curriculum.stories import answers_to, certify, make_curriculum, make_question
from tests.factories import Cast, make_advocate

BrowserOf = Callable[[Person], FlaskClient]


@pytest.fixture
def held(cast: Cast, learner: Enrolment) -> Award:
    """An award in north."""
    with transaction():
        return certify(make_advocate(cast.programme, "Otto North"))


@pytest.fixture
def norths_own(cast: Cast, wired: None) -> Release:
    """A certification that belongs to north alone."""
    with transaction():
        own = make_curriculum(slug="north-craft", title="North Craft")
        return publish(own, unit_id=cast.north.id, by=COMMAND)


def test_everybody_sees_what_their_programmes_require_and_counts_their_own(
    cast: Cast, held: Award, browser_of: BrowserOf
) -> None:
    for person, enrolled, certified in (
        (cast.hub_admin, 2, 1),
        (cast.manager, 2, 1),
        (cast.other_manager, 0, 0),
    ):
        browser = browser_of(person)
        page = browser.get("/console/curriculum").text
        assert f'data-label="Enrolled">{enrolled}<' in page
        assert f'data-label="Certified now">{certified}<' in page
        assert browser.get(f"/console/curriculum/{held.certification_id}").status_code == 200
        names = browser.get(f"/console/curriculum/{held.certification_id}/awards").text
        assert ("Otto North" in names) is bool(certified)


def test_another_units_certification_is_not_there(
    cast: Cast, norths_own: Release, browser_of: BrowserOf
) -> None:
    path = f"/console/curriculum/{norths_own.certification_id}"
    mine, other = browser_of(cast.manager), browser_of(cast.other_manager)
    assert "North Craft" in mine.get("/console/curriculum").text
    assert "North Craft" not in other.get("/console/curriculum").text
    for page in (path, f"{path}/modules/basics", f"{path}/awards"):
        assert mine.get(page).status_code == 200
        assert other.get(page).status_code == 404


def test_stranger_marketing_and_advocates_are_kept_out(
    cast: Cast, held: Award, ana: FlaskClient, browser_of: BrowserOf
) -> None:
    for browser in (browser_of(cast.stranger), browser_of(cast.marketing), ana):
        assert browser.get("/console/curriculum").status_code == 403
        assert browser.get(f"/console/curriculum/{held.certification_id}").status_code == 403
        assert browser.get(f"/console/curriculum/awards/{held.id}").status_code == 403
        assert (
            browser.post(f"/console/curriculum/awards/{held.id}", data={"reason": "other"}).status_code == 403
        )


def test_module_page_shows_questions_with_their_keys(cast: Cast, held: Award, browser_of: BrowserOf) -> None:
    page = browser_of(cast.manager).get(f"/console/curriculum/{held.certification_id}/modules/basics").text
    assert "Question 1?" in page
    assert "=yes" in page
    gone = browser_of(cast.manager).get(f"/console/curriculum/{held.certification_id}/modules/none")
    assert gone.status_code == 404


def test_award_is_revoked_with_a_reason_by_those_of_its_unit(
    cast: Cast, held: Award, browser_of: BrowserOf
) -> None:
    path = f"/console/curriculum/awards/{held.id}"
    other = browser_of(cast.other_manager)
    assert other.get(path).status_code == 404
    assert other.post(path, data={"reason": "other"}).status_code == 404
    manager = browser_of(cast.manager)
    assert "Revoke" in manager.get(path).text
    assert manager.post(path, data={"reason": "because"}).status_code == 422
    assert manager.post(path, data={"reason": "mistake", "note": "wrong person"}).status_code == 303
    with transaction(read_only=True):
        revocation = revocation_of(held.id)
        assert revocation is not None
        assert (revocation.reason, revocation.note, revocation.by) == (
            "mistake",
            "wrong person",
            cast.manager.id,
        )
    page = manager.get(path).text
    assert "wrong person" in page
    assert manager.post(path, data={"reason": "other"}).status_code == 409


def test_item_figures_count_first_attempts_and_hide_small_numbers(cast: Cast, learner: Enrolment) -> None:
    with transaction():
        for number in range(30):
            member = make_advocate(cast.programme, f"Learner {number}")
            enrolment = enrol(member.id, member.person_id, "certified-advocate")
            attempt = start(enrolment, "honesty")
            submit(attempt, answers_to(attempt, right=3 if number % 2 else 0))
            again = start(enrolment, "honesty") if not attempt.passed else None
            if again is not None:
                submit(again, {})
        release = session().get_one(Release, learner.release_id)
        bank = content_of(release).modules[1].quiz
        asked = console_figures.item_figures(learner.certification_id, "honesty", bank)
        assert asked == {}  # six questions, three drawn: about 15 answers each
        console_figures_of = console_figures.passed_per_module(
            learner.certification_id, frozenset({cast.north.id})
        )
        assert console_figures_of["honesty"] == (30, 15)


def test_item_figures_tell_easy_from_hard_and_know_the_wording(cast: Cast, wired: None) -> None:
    from tests.curriculum.stories import make_module

    with transaction():
        bank = tuple(make_question(each) for each in (1, 2))
        release = publish(
            make_curriculum(make_module(1, "basics", bank, draw=2)), unit_id=cast.hub.id, by=COMMAND
        )
        for number in range(32):
            member = make_advocate(cast.programme, f"Learner {number}")
            enrolment = enrol(member.id, member.person_id, "certified-advocate")
            attempt = start(enrolment, "basics")
            submit(attempt, answers_to(attempt, right=2 if number % 4 else 0))
        figures = console_figures.item_figures(release.certification_id, "basics", bank)
        assert {name: each.responses for name, each in figures.items()} == {"q-1": 32, "q-2": 32}
        assert {each.facility for each in figures.values()} == {0.75}
        discrimination = figures["q-1"].discrimination
        assert discrimination is not None
        assert discrimination > 0.99
        reworded = (make_question(1, right="no"), bank[1])
        assert set(console_figures.item_figures(release.certification_id, "basics", reworded)) == {"q-2"}
