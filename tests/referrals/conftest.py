from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

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
