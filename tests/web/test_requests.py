"""One request, one transaction: GET cannot write, raise rolls back, and the commit comes before the answer."""

from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from core import db
from core.api_keys import create_api_key
from core.db import engine, in_transaction, transaction
from tests.factories import Cast
from tests.web.views import names, tries


@pytest.fixture
def no_tries() -> list[str]:
    tries.clear()
    return tries


def people() -> list[str]:
    with transaction(read_only=True):
        return names()


def test_post_that_returns_is_committed(small: Flask) -> None:
    assert small.test_client().post("/person", data={"name": "ana"}).status_code == 303
    assert people() == ["ana"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_get_cannot_write_even_if_its_view_tries(small: Flask, method: str) -> None:
    answer = small.test_client().open("/write", method=method)
    assert answer.status_code >= 500
    assert b"written" not in answer.data
    assert people() == []


def test_get_that_says_so_may_write(small: Flask) -> None:
    assert small.test_client().get("/export").text == "exported"
    assert people() == ["export"]


@pytest.mark.parametrize(
    ("what", "status"),
    [("conflict", 409), ("forbidden", 403), ("missing", 404), ("many", 429), ("mistake", 500), ("busy", 503)],
)
def test_what_raises_leaves_no_row(small: Flask, what: str, status: int) -> None:
    assert small.test_client().post(f"/no-page/{what}").status_code == status
    assert people() == []
    assert not in_transaction()


def test_what_was_broken_off_to_end_a_deadlock_is_run_again(small: Flask, no_tries: list[str]) -> None:
    assert small.test_client().post("/deadlock/sale", data={"a": "form"}).text == "done"
    assert (people(), len(no_tries)) == (["sale"], 2)


def test_what_is_broken_off_again_is_busy(small: Flask, no_tries: list[str]) -> None:
    assert small.test_client().post("/deadlock/sale?times=3").status_code == 503
    assert (people(), len(no_tries)) == ([], 3)


@pytest.mark.parametrize(
    ("what", "data"), [("flashes", {}), ("reads an upload", {"file": (BytesIO(b"x"), "x.csv")}), ("own", {})]
)
def test_what_a_rollback_does_not_undo_is_not_run_again(
    small: Flask, no_tries: list[str], what: str, data: dict[str, Any]
) -> None:
    assert small.test_client().post(f"/deadlock/{what}", data=data).status_code == 503
    assert (people(), len(no_tries)) == ([], 1)


def test_a_request_that_is_run_again_counts_once(small: Flask, cast: Cast, no_tries: list[str]) -> None:
    with transaction():
        key = create_api_key("a shop", ["links:read"], cast.north.id)
    answer = small.test_client().post("/api/deadlock", headers={"Authorization": f"Bearer {key}"})
    most = small.config["SPOKES"].api_reads_per_minute
    assert (answer.text, len(no_tries)) == ("done", 2)
    assert f"r={most - 1};" in answer.headers["RateLimit"]


def test_failing_commit_is_answered_before_anything_was_promised(small: Flask) -> None:
    with engine().begin() as connection:
        connection.execute(
            text("CREATE TABLE late (person_id TEXT REFERENCES person (id) DEFERRABLE INITIALLY DEFERRED)")
        )
    answer = small.test_client().post("/fails-at-commit")
    assert answer.status_code == 500  # a broken foreign key is our mistake, not the person's
    assert "saved" not in answer.text
    with engine().begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM late")).scalar_one() == 0
        connection.execute(text("DROP TABLE late"))


def test_hook_that_fails_at_commit_is_a_500_and_leaves_no_row(
    small: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(db, "_before_commit", [fails])
    answer = small.test_client().post("/person", data={"name": "ana"})
    assert answer.status_code == 500
    assert "Location" not in answer.headers
    assert people() == []


def test_view_with_steps_of_its_own_keeps_the_steps_that_succeeded(small: Flask) -> None:
    answer = small.test_client().post("/own-steps")
    assert (answer.status_code, answer.text.startswith("<form")) == (409, True)
    assert "The second step failed." in answer.text
    assert people() == ["first"]


def test_requests_after_a_failed_one_work(small: Flask) -> None:
    client = small.test_client()
    for path in ("/no-page/mistake", "/no-page/conflict", "/own-steps"):
        client.post(path)
    assert client.post("/person", data={"name": "ana"}).status_code == 303
    assert client.get("/person").status_code == 200
