"""The audit log, the mail and the jobs: for the hub's administrators, and nobody else."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlmodel import select

from core import audit, db, mail
from core.clock import now
from core.jobs import JobTrace
from core.outbox import OutboxMessage
from core.settings import Settings, configure
from referrals.clicks.lost_clicks import LostClicks
from tests.factories import Cast, acting, make_advocate, sign_in

PAGES = ["/console/audit", "/console/mail", "/console/jobs"]


@pytest.fixture
def message(cast: Cast) -> OutboxMessage:
    """A mail with a secret link that could not be delivered."""
    with db.transaction():
        mail.leave(
            "password_reset", "x", "1", to="ana@example.org", name="Ana", token="secret-token-of-some-length"
        )
        left = db.session().exec(select(OutboxMessage)).one()
        left.state, left.last_error = "dead", "ConnectionRefusedError: refused"
        return left


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_the_hub_admins_alone(app: Flask, cast: Cast, page: str) -> None:
    with db.transaction():
        make_advocate(cast.programme)
    assert sign_in(app.test_client(), cast.hub_admin).get(page).status_code == 200
    for person in (cast.manager, cast.other_manager, cast.finance, cast.marketing, cast.stranger):
        assert sign_in(app.test_client(), person).get(page).status_code == 403
    assert app.test_client().get(page).status_code == 302


def test_audit_log_is_searched_by_act_name_and_id(client: FlaskClient, cast: Cast) -> None:
    with db.transaction():
        audit.record(
            acting(cast.hub_admin), "thing.done", "thing", "id-4711", details={"from": "a", "to": "b"}
        )
    sign_in(client, cast.hub_admin)
    for words in ("thing.do", "4711", "Hanna"):
        assert "thing.done" in client.get("/console/audit", query_string={"q": words}).text
    assert "Nothing fits" in client.get("/console/audit?q=%25").text
    assert "programme.created" not in client.get("/console/audit?q=thing.done").text


def test_audit_log_goes_on_by_cursor_and_refuses_a_wrong_one(client: FlaskClient, cast: Cast) -> None:
    with db.transaction():
        for i in range(60):
            audit.record(acting(cast.hub_admin), "thing.done", "thing", f"id-{i:03}")
    sign_in(client, cast.hub_admin)
    first = client.get("/console/audit?q=thing")
    assert "id-059" in first.text
    assert "id-003" not in first.text
    cursor = first.text.split("after=")[1].split('"')[0]
    assert "id-003" in client.get(f"/console/audit?q=thing&after={cursor}").text
    assert client.get("/console/audit?after=nonsense").status_code == 400


def test_what_was_written_is_shown_as_text(client: FlaskClient, cast: Cast) -> None:
    with db.transaction():
        audit.record(acting(cast.hub_admin), "x", "thing", "1", details={"name": "<script>alert(1)</script>"})
    assert "<script>alert" not in sign_in(client, cast.hub_admin).get("/console/audit").text


def test_mail_is_listed_read_and_put_in_line_again_once(
    client: FlaskClient, cast: Cast, message: OutboxMessage
) -> None:
    sign_in(client, cast.hub_admin)
    assert "could not be delivered" in client.get("/console/mail?state=dead&q=ana").text
    assert "Nothing fits" in client.get("/console/mail?state=sent").text
    page = client.get(f"/console/mail/{message.id}").text
    assert "ConnectionRefusedError" in page
    assert "secret-token" in page  # in development the mail page is the letter box
    assert client.post(f"/console/mail/{message.id}/again").status_code == 303
    assert client.post(f"/console/mail/{message.id}/again").status_code == 404
    assert "mail.again" in client.get("/console/audit").text


def test_in_production_links_of_mails_are_not_readable_by_staff(
    client: FlaskClient, cast: Cast, message: OutboxMessage, settings: Settings
) -> None:
    sign_in(client, cast.hub_admin)
    configure(settings.model_copy(update={"spokes_env": "production"}))
    assert "secret-token" not in client.get(f"/console/mail/{message.id}").text


def test_in_production_no_secret_of_a_link_stays_behind_when_its_mail_has_gone_out(
    cast: Cast, message: OutboxMessage, settings: Settings
) -> None:
    configure(settings.model_copy(update={"spokes_env": "production"}))
    with db.transaction():
        db.session().get_one(OutboxMessage, message.id).state = "waiting"
    assert mail.send_due() == 1
    with db.transaction(read_only=True):
        row = db.session().get_one(OutboxMessage, message.id)
        assert row.state == "sent"
        assert "secret-token" not in row.model_dump_json()
        assert "/reset/…" in row.content["text"]
    [letter] = (settings.data_dir / "mail").iterdir()
    assert "secret-token" in letter.read_text()


def test_mail_of_others_is_refused(app: Flask, cast: Cast, message: OutboxMessage) -> None:
    for person in (cast.manager, cast.stranger):
        browser = sign_in(app.test_client(), person)
        assert browser.get(f"/console/mail/{message.id}").status_code == 403
        assert browser.post(f"/console/mail/{message.id}/again").status_code == 403
    unknown = sign_in(app.test_client(), cast.hub_admin)
    assert unknown.get(f"/console/mail/{cast.hub.id}").status_code == 404


def test_jobs_say_how_they_went(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.hub_admin)
    assert "The clock has not run yet" in client.get("/console/jobs").text
    with db.transaction():
        at = now()
        db.session().add(JobTrace(name="mail", ran_at=at, did=3))
        db.session().add(JobTrace(name="payouts", ran_at=at, failed_at=at, error="OSError: away"))
    page = client.get("/console/jobs").text
    assert "OSError: away" in page
    assert page.count(">failed<") == page.count(">well<") == 1


def test_clicks_that_did_not_get_on_file_are_shown_beside_the_jobs(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.hub_admin)
    assert "every click that was forwarded is on file" in client.get("/console/jobs").text
    with db.transaction():
        db.session().add(LostClicks(segment="a", clicks=1_200, last_ms=1_700_000_000_000))
    page = client.get("/console/jobs").text
    assert "1200 clicks were forwarded but could not be put on file" in page
    assert ">1,200<" in page
