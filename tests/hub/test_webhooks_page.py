"""The pages of webhooks: who may see and do what, secrets shown once, deliveries with their tries."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlmodel import select
from standardwebhooks import Webhook

from core.access import CLOCK, COMMAND
from core.db import session, transaction
from core.outbox import OutboxMessage
from hub import deliveries, webhook_sender
from hub.endpoints import get_endpoint, signed
from hub.webhook_alarm import switch_off
from tests.factories import Cast, sign_in
from tests.hub.webhook_stories import Made, make_endpoint, messages, the_endpoint
from tests.sandbox.receiver import receiving

pytestmark = pytest.mark.usefixtures("patient")
HERE = "/console/settings/webhooks"
URL = "https://hooks.example/in"


@pytest.fixture
def made(cast: Cast) -> Made:
    return make_endpoint(cast.north, URL, by=cast.manager)


@pytest.fixture
def manager(app: Flask, cast: Cast) -> FlaskClient:
    return sign_in(app.test_client(), cast.manager)


def hello(made: Made) -> str:
    with transaction():
        return deliveries.ping(get_endpoint(made.id), by=COMMAND).id


def test_strangers_and_other_units_get_nowhere(app: Flask, cast: Cast, made: Made) -> None:
    one, message = f"{HERE}/{made.id}", hello(made)
    pages = [one, f"{one}/edit", f"{one}/deliveries/{message}"]
    acts = [
        f"{one}/edit", f"{one}/rotate", f"{one}/end-old-secret", f"{one}/ping", f"{one}/enable", f"{one}/disable",
        f"{one}/remove", f"{one}/again", f"{one}/deliveries/{message}/again",
    ]  # fmt: skip
    for person, status in ((cast.other_manager, 404), (cast.finance, 403), (cast.stranger, 403)):
        browser = sign_in(app.test_client(), person)
        assert [browser.get(each).status_code for each in pages] == [status] * 3, person.name
        assert [browser.post(each).status_code for each in acts] == [status] * len(acts), person.name
    other = sign_in(app.test_client(), cast.other_manager)
    assert URL not in other.get(HERE).text
    wanted = {"unit_id": cast.north.id, "url": URL, "types": "*"}
    assert other.post(f"{HERE}/new", data=wanted).status_code == 404
    for person in (cast.finance, cast.marketing, cast.stranger):
        assert sign_in(app.test_client(), person).get(HERE).status_code == 403
    assert app.test_client().get(one).status_code == 302
    assert the_endpoint(made).state == "enabled"


def test_endpoint_is_added_and_its_secret_shown_once(manager: FlaskClient, cast: Cast) -> None:
    assert "No endpoint yet" in manager.get(HERE).text
    assert "North" in manager.get(f"{HERE}/new").text
    wanted = {
        "unit_id": cast.north.id,
        "url": URL,
        "types": ["conversion.*", "reward.paid"],
        "description": "ERP",
    }
    shown = manager.post(f"{HERE}/new", data=wanted)
    secret = re.search(r"whsec_[\w+/]{43}=", shown.text)
    assert secret is not None
    listed = manager.get(HERE).text
    assert "conversion.*, reward.paid" in listed
    found = re.search(rf"{HERE}/([0-9a-z]{{26}})", listed)
    assert found is not None
    page = manager.get(f"{HERE}/{found.group(1)}").text
    assert secret.group() not in page + listed
    with transaction(read_only=True):
        headers = signed(get_endpoint(found.group(1)), "msg_1", "{}")
    Webhook(secret.group()).verify("{}", headers)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"url": "ftp://hooks.example"}, "has to start with https://"),
        ({"url": "https://169.254.169.254/latest"}, "leads into a private network"),
        ({"url": ""}, "This is required."),
        ({"types": ["nonsense.*"]}, "Pick some of these."),
        ({"types": []}, "This is required."),
        ({"secret": "whsec_mine"}, "Please look at the marked fields"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence_and_nothing_typed_is_lost(
    manager: FlaskClient, cast: Cast, change: dict[str, object], sentence: str
) -> None:
    wanted = {
        "unit_id": cast.north.id,
        "url": URL,
        "types": ["*"],
        "description": "The typed words",
        **change,
    }
    answer = manager.post(f"{HERE}/new", data=wanted)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert "The typed words" in answer.text


def test_endpoint_is_changed_paused_and_removed(manager: FlaskClient, made: Made) -> None:
    one = f"{HERE}/{made.id}"
    assert 'value="https://hooks.example/in"' in manager.get(f"{one}/edit").text
    assert manager.post(f"{one}/edit", data={"url": URL + "2", "types": ["payout.*"]}).status_code == 303
    assert (the_endpoint(made).url, the_endpoint(made).types) == (URL + "2", ["payout.*"])
    assert manager.post(f"{one}/disable", data={"reason": "We move house."}).status_code == 303
    page = manager.get(one).text
    assert "We move house." in page
    assert "Send a test message" not in page
    assert manager.post(f"{one}/ping").status_code == 409
    assert manager.post(f"{one}/enable").status_code == 303
    assert "Send a test message" in manager.get(one).text
    assert manager.post(f"{one}/remove").status_code == 303
    assert manager.get(one).status_code == 404
    assert "No endpoint yet" in manager.get(HERE).text


def test_secret_is_rotated_with_overlap_and_the_old_one_ended(manager: FlaskClient, made: Made) -> None:
    one = f"{HERE}/{made.id}"
    assert "the secret before signs, too" in manager.post(f"{one}/rotate").text
    assert manager.post(f"{one}/rotate").status_code == 409
    assert "Two secrets sign until" in manager.get(one).text
    assert manager.post(f"{one}/end-old-secret").status_code == 303
    assert "Two secrets sign until" not in manager.get(one).text


def test_delivery_shows_what_was_sent_every_try_and_is_sent_again(manager: FlaskClient, cast: Cast) -> None:
    with receiving() as receiver:
        made = make_endpoint(cast.north, receiver.url, by=cast.manager)
        one = f"{HERE}/{made.id}"
        assert "Nothing was sent yet" in manager.get(one).text
        assert manager.post(f"{one}/ping").status_code == 303
        message = messages(made)[0]
        assert "The clock sends it within seconds." in manager.get(f"{one}/deliveries/{message.id}").text
        receiver.answers, receiver.reply = [500], {"error": "<script>alert(1)</script>"}
        webhook_sender.send_due()
        page = manager.get(f"{one}/deliveries/{message.id}").text
        assert "The receiver answered 500." in page
        assert "&lt;script&gt;" in page
        assert f"msg_{message.id}" in page
        assert "endpoint_id" in page
        assert manager.post(f"{one}/deliveries/{message.id}/again").status_code == 303
        webhook_sender.send_due()
        listed = manager.get(one).text
        assert f'href="{one}/deliveries/{message.id}"' in listed
        assert f'action="{one}/ping"' in listed
        assert f'action="{one}/deliveries/{message.id}/again"' in page
        assert "delivered" in listed
        assert "201" in listed
        assert message.id in manager.get(f"{one}?state=sent").text
        assert message.id not in manager.get(f"{one}?state=dead").text
        assert manager.get(f"{one}?state=lost").status_code == 422


def test_delivery_belongs_to_its_endpoint_and_mails_are_none(
    manager: FlaskClient, cast: Cast, made: Made
) -> None:
    other = make_endpoint(cast.north, URL, by=cast.manager)
    message = hello(made)
    assert manager.get(f"{HERE}/{other.id}/deliveries/{message}").status_code == 404
    with transaction():
        switch_off(get_endpoint(other.id), "Gone.", by=CLOCK)
    with transaction(read_only=True):
        mail = session().exec(select(OutboxMessage.id).where(OutboxMessage.kind == "mail")).first()
    assert manager.get(f"{HERE}/{made.id}/deliveries/{mail}").status_code == 404


def test_webhooks_are_no_mails_to_the_pages_of_mail(app: Flask, cast: Cast, made: Made) -> None:
    message = hello(made)
    admin = sign_in(app.test_client(), cast.hub_admin)
    assert admin.get(f"/console/mail/{message}").status_code == 404
    assert admin.post(f"/console/mail/{message}/again").status_code == 404


def test_what_failed_is_sent_again_together(manager: FlaskClient, made: Made) -> None:
    hello(made)
    one = f"{HERE}/{made.id}"
    manager.post(f"{one}/disable", data={"reason": "A pause."})
    assert manager.post(f"{one}/again", data={"days": "7"}).status_code == 409
    manager.post(f"{one}/enable")
    assert manager.post(f"{one}/again", data={"days": "365"}).status_code == 422
    answer = manager.post(f"{one}/again", data={"days": "7"}, follow_redirects=True)
    assert "One message is in line again." in answer.text
    assert [each.state for each in messages(made)] == ["waiting"]


def test_switched_off_by_the_clock_is_on_the_list_with_the_way_there(
    manager: FlaskClient, made: Made
) -> None:
    with transaction():
        switch_off(get_endpoint(made.id), "The receiver says that it is gone for good (410).", by=CLOCK)
    assert f'href="{HERE}/{made.id}"' in manager.get("/console").text
    manager.post(f"{HERE}/{made.id}/enable")
    assert f'href="{HERE}/{made.id}"' not in manager.get("/console").text
