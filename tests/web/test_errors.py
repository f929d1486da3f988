"""Refusals as people and machines read them."""

import pytest
from flask import Flask

from core import db


@pytest.mark.parametrize(
    ("path", "body", "status", "name"),
    [
        ("/api/nothing", b"{}", 404, "NotFound"),
        ("/api/person", b"{", 400, "WrongJson"),
        ("/api/person", b"{}", 422, "InvalidInput"),
        ("/api/links", b"{}", 405, "NotAllowedHere"),
    ],
)
def test_machines_get_json_of_one_shape(small: Flask, path: str, body: bytes, status: int, name: str) -> None:
    answer = small.test_client().post(path, data=body, content_type="application/json")
    assert (answer.status_code, answer.mimetype) == (status, "application/json")
    assert set(answer.get_json()) == {"error", "message", "details"}
    assert answer.get_json()["error"] == name
    assert answer.get_json()["message"].endswith(".")


def test_machines_read_which_field_is_wrong(small: Flask) -> None:
    answer = small.test_client().post(
        "/api/person", json={"name": "", "role": "hub_admin", "amount_minor": 1.5}
    )
    assert set(answer.get_json()["details"]["fields"]) == {"name", "role", "amount_minor"}


def test_people_get_a_page_with_the_sentence_and_a_number(small: Flask) -> None:
    answer = small.test_client().post("/no-page/conflict")
    assert (answer.status_code, answer.mimetype) == (409, "text/html")
    assert "Taken." in answer.text
    assert answer.headers["X-Request-Id"] in answer.text


def test_our_fault_says_nothing_about_the_inside(small: Flask) -> None:
    for path in ("/no-page/mistake", "/no-page/busy"):
        answer = small.test_client().post(path)
        assert not {"ZeroDivision", "Traceback", "SELECT", "locked"} & set(answer.text.split())


def test_waiting_times_are_said(small: Flask) -> None:
    client = small.test_client()
    assert client.post("/no-page/many").headers["Retry-After"] == "7"
    assert client.post("/many").headers["Retry-After"] == "7", "also where the form is shown again"
    assert client.post("/no-page/busy").headers["Retry-After"] == "2"


def test_wrong_method_is_told_the_right_ones(small: Flask) -> None:
    answer = small.test_client().put("/person")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_refused_form_is_shown_again_with_what_was_typed_and_what_is_wrong(small: Flask) -> None:
    answer = small.test_client().post("/person", data={"name": " ", "age": "old", "tags": ["x", "<y>"]})
    assert answer.status_code == 422
    sentence, name, tags, name_error, age_error, known = (
        answer.text.removesuffix("</form>").split(">", 1)[1].split("|")
    )
    assert (sentence, name, tags) == ("Please look at the marked fields.", " ", "x+&lt;y&gt;")
    assert name_error == "This is required."
    assert age_error == "This has to be a whole number."
    assert known == ""


def test_refusal_of_the_whole_is_shown_above_the_form_and_nothing_was_kept(small: Flask) -> None:
    answer = small.test_client().post("/person", data={"name": "methuselah", "age": "969"})
    assert answer.status_code == 409
    assert "Nobody is that old.|methuselah||-|-|</form>" in answer.text


def test_fresh_form_shows_what_is_known(small: Flask) -> None:
    assert "first time|known|a+b|-|-|" in small.test_client().get("/person").text


def test_too_large_a_request_is_refused(small: Flask) -> None:
    answer = small.test_client().post("/person", data={"name": "x" * 2_000_000})
    assert answer.status_code == 413
    answer = small.test_client().post("/api/person", data=b"x" * 2_000_000, content_type="application/json")
    assert (answer.status_code, answer.get_json()["error"]) == (413, "TooLarge")


@pytest.mark.parametrize(
    "path", ["/%00", "/%ff%fe", "/person/../../etc/passwd", "/" + "x" * 5_000, "/<script>", "/api/%00"]
)
def test_strange_addresses_are_not_found(small: Flask, path: str) -> None:
    answer = small.test_client().get(path)
    assert answer.status_code in {404, 308}
    assert "<script>alert" not in answer.text


def test_all_connections_in_use_is_busy_not_broken(small: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = db.engines()[-1]
    pool = reading.pool
    for name, value in {"_timeout": 0.05, "_max_overflow": 0}.items():
        monkeypatch.setattr(pool, name, value)
    taken = [reading.connect() for _ in range(pool.size())]  # type: ignore[attr-defined]  # a queue has a size
    try:
        answer = small.test_client().get("/person")
    finally:
        for each in taken:
            each.close()
    assert answer.status_code == 503
