"""A small application: the whole ground of the real one, the sign-in doors, and a few views of this test's own."""

import pytest
from flask import Flask

import app as application
from core.settings import Settings
from tests.web.views import door


@pytest.fixture
def small(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """The real create_app() with few doors and ours."""
    monkeypatch.setattr(application, "DOORS", ("core.public", "core.operators"))
    made = application.create_app(settings)
    made.config["WTF_CSRF_ENABLED"] = False
    made.register_blueprint(door)
    return made
