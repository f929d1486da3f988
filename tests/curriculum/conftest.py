"""Advocates who learn, and browsers that are signed in as they are."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core.db import transaction
from core.people import Person, get_person
from curriculum.enrolment import Enrolment
from tests.curriculum.stories import make_enrolment, make_release
from tests.factories import Cast, make_advocate, sign_in


@pytest.fixture
def learner(cast: Cast) -> Enrolment:
    """Ana, enrolled in a published certification of two modules."""
    with transaction():
        make_release(cast)
        return make_enrolment(make_advocate(cast.programme))


@pytest.fixture
def browser_of(app: Flask) -> Callable[[Person], FlaskClient]:
    """A browser that is signed in as a person."""
    return lambda person: sign_in(app.test_client(), person)


@pytest.fixture
def ana(learner: Enrolment, browser_of: Callable[[Person], FlaskClient]) -> FlaskClient:
    """Ana's browser."""
    with transaction(read_only=True):
        person = get_person(learner.person_id)
    return browser_of(person)
