"""Every form carries the token of its session; without it nothing is done."""

import re
from typing import Any

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient

from tests.factories import PASSWORD, Cast


@pytest.fixture
def strict(app: Flask) -> FlaskClient:
    app.config["WTF_CSRF_ENABLED"] = True
    return app.test_client()


def token_on(client: FlaskClient, page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(page).text)
    assert found is not None
    return found.group(1)


def signed_in(client: FlaskClient, cast: Cast) -> FlaskClient:
    data = {"email": cast.hub_admin.email, "password": PASSWORD, "csrf_token": token_on(client, "/login")}
    assert client.post("/login", data=data).status_code == 303
    return client


def test_signing_in_without_the_token_is_refused_with_a_sentence(strict: FlaskClient, cast: Cast) -> None:
    answer = strict.post("/login", data={"email": cast.hub_admin.email, "password": PASSWORD})
    assert answer.status_code == 400
    assert "This form is too old or was not ours" in answer.text


def test_forms_without_the_token_do_nothing(strict: FlaskClient, cast: Cast) -> None:
    signed_in(strict, cast)
    data = {"name": "East", "slug": "east", "parent_id": cast.hub.id}
    assert strict.post("/console/units", data=data).status_code == 400
    assert strict.post("/logout").status_code == 400
    assert "East" not in strict.get("/console/units").text
    data["csrf_token"] = token_on(strict, "/console/units")
    assert strict.post("/console/units", data=data).status_code == 303


def test_token_of_another_session_is_refused(app: Flask, strict: FlaskClient, cast: Cast) -> None:
    strange = token_on(app.test_client(), "/login")
    signed_in(strict, cast)
    assert strict.post("/logout", data={"csrf_token": strange}).status_code == 400
    assert strict.get("/console").status_code == 200


def test_every_view_that_takes_forms_is_behind_the_token(app: Flask, strict: FlaskClient, cast: Cast) -> None:
    """Only machines are exempt: they carry a key or a signature, never a cookie; /_lck/ is not there without its switch."""
    signed_in(strict, cast)
    for rule in app.url_map.iter_rules():
        if "POST" not in (rule.methods or set()) or rule.rule.startswith(("/api/", "/webhooks/", "/_lck/")):
            continue
        values: dict[str, Any] = {
            name: {"token": "x" * 43, "year": 2026}.get(name, cast.hub.id) for name in rule.arguments
        }
        with app.test_request_context():
            address = url_for(rule.endpoint, **values)
        answer = strict.post(address)
        assert answer.status_code == 400, address
        assert "too old or was not ours" in answer.text, address
