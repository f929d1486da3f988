from collections.abc import Callable, Iterator
from importlib.util import find_spec

import pytest
from flask import Flask
from flask.testing import FlaskClient

import app as application
from core import db
from core.api_keys import SCOPES, create_api_key
from core.settings import Settings
from hub.units import Unit
from tests.referrals.stories import Visitors


@pytest.fixture
def visitors(settings: Settings) -> Iterator[Visitors]:
    """Visitors of share links."""
    came = Visitors(settings)
    yield came
    came.leave()


@pytest.fixture
def app(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """The application with the doors that exist."""
    monkeypatch.setattr(application, "DOORS", [each for each in application.DOORS if find_spec(each)])
    made = application.create_app(settings)
    made.config["WTF_CSRF_ENABLED"] = False
    return made


Machine = Callable[..., FlaskClient]


@pytest.fixture
def machine(app: Flask) -> Machine:
    """A client that calls with a key of a unit."""

    def with_key(unit: Unit, *scopes: str) -> FlaskClient:
        with db.transaction():
            key = create_api_key("a shop", list(scopes or SCOPES), unit.id)
        client = app.test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key}"
        return client

    return with_key
