"""Headers on every answer, CSRF on every form, request ids, our own paths only."""

import re

import pytest
from flask import Flask

from core.public import own_path
from core.settings import Settings


@pytest.mark.parametrize("path", ["/person", "/nothing", "/login", "/api/links", "/healthz", "/write"])
def test_every_answer_carries_the_headers(small: Flask, path: str) -> None:
    headers = small.test_client().get(path).headers
    policy = headers["Content-Security-Policy"]
    for part in (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ):
        assert part in policy.split("; ")
    assert "unsafe" not in policy
    assert (
        headers["X-Content-Type-Options"],
        headers["Referrer-Policy"],
        headers["Cross-Origin-Opener-Policy"],
    ) == ("nosniff", "same-origin", "same-origin")
    assert headers["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in headers, "development is plain HTTP"


def test_production_is_https_only(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    import app as application

    monkeypatch.setattr(application, "DOORS", ("core.public", "core.operators"))
    production = settings.model_copy(
        update={
            "spokes_env": "production",
            "base_url": "https://spokes.example",
            "trusted_hosts": "spokes.example",
        }
    )
    made = application.create_app(production)
    client = made.test_client()
    answer = client.get("/login", base_url="https://spokes.example")
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    assert "127.0.0.1" not in answer.headers["Content-Security-Policy"]
    cookie = answer.headers["Set-Cookie"]
    assert all(word in cookie for word in ("Secure", "HttpOnly", "SameSite=Lax"))
    assert client.get("/login", base_url="https://elsewhere.example").status_code == 400


@pytest.mark.parametrize(
    "given", ["", "short", "x" * 65, "a b c d e f", "<script>alert(1)</script>", "abc\u00e9defghi"]
)
def test_request_id_of_another_form_is_replaced(small: Flask, given: str) -> None:
    assert re.fullmatch(
        "[0-9a-f]{16}",
        small.test_client().get("/person", headers={"X-Request-Id": given}).headers["X-Request-Id"],
    )


def test_good_request_id_is_kept(small: Flask) -> None:
    assert (
        small.test_client().get("/nothing", headers={"X-Request-Id": "proxy-12345"}).headers["X-Request-Id"]
        == "proxy-12345"
    )


def test_form_without_its_token_is_refused_with_a_sentence_and_a_number(small: Flask) -> None:
    small.config["WTF_CSRF_ENABLED"] = True
    client = small.test_client()
    for data in ({"name": "ana"}, {"name": "ana", "csrf_token": "made up"}):
        answer = client.post("/person", data=data)
        assert answer.status_code == 400
        assert "This form is too old or was not ours." in answer.text
        assert answer.headers["X-Request-Id"]
    assert "|</form>" in client.get("/person").text, "nobody was made"


def test_form_with_its_token_is_taken(small: Flask) -> None:
    small.config["WTF_CSRF_ENABLED"] = True
    client = small.test_client()
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/login").text)
    assert found is not None
    assert client.post("/person", data={"name": "ana", "csrf_token": found[1]}).status_code == 303
    assert (
        small.test_client().post("/person", data={"name": "ben", "csrf_token": found[1]}).status_code == 400
    ), "another browser's"


@pytest.mark.parametrize("path", ["/", "/portal", "/console/rewards?state=open&q=a%20b#top", "/portal/é"])
def test_own_paths_are_followed(path: str) -> None:
    assert own_path(path) == path


@pytest.mark.parametrize(
    "target",
    [None, "", "portal", "https://evil.example", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)",
     "/\tevil.example", "/\n/evil.example", "\t//evil.example", " /portal", "/portal\r\nSet-Cookie: a=b", "/\0", "/\u2028x", "http:/portal"],
)  # fmt: skip
def test_nobody_is_sent_elsewhere(target: str | None) -> None:
    assert own_path(target) == ""
