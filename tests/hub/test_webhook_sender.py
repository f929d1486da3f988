"""Delivery: at least once, under one id, later and later, and a receiver in trouble holds up nobody else."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Event

import pytest
from sqlalchemy import update
from sqlmodel import col, select
from standardwebhooks import Webhook

from core import outgoing
from core.access import COMMAND
from core.clock import at, now
from core.db import run, session, transaction
from core.outbox import BACKOFF_S, JITTER, OutboxMessage
from hub import deliveries, endpoints, webhook_sender
from hub.actions import Action
from hub.deliveries import SwitchedOff, UnderWay, WebhookAttempt
from hub.endpoints import WebhookEndpoint, get_endpoint
from hub.webhook_sender import send_due
from tests.at_once import at_once
from tests.core.raw_server import raw_server
from tests.factories import Cast
from tests.hub.webhook_stories import Made, make_endpoint, messages, the_endpoint
from tests.sandbox.receiver import Receiver, receiving

pytestmark = pytest.mark.usefixtures("patient")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def made(cast: Cast, receiver: Receiver) -> Made:
    return make_endpoint(cast.north, f"{receiver.url}/in", by=cast.manager)


def hello(made: Made, cast: Cast, times: int = 1) -> None:
    with transaction():
        for _ in range(times):
            deliveries.ping(get_endpoint(made.id), by=COMMAND)


def attempts(made: Made) -> list[WebhookAttempt]:
    wanted = select(WebhookAttempt).where(WebhookAttempt.endpoint_id == made.id)
    with transaction(read_only=True):
        return list(session().exec(wanted.order_by(col(WebhookAttempt.id))).all())


def states(made: Made) -> list[str]:
    return [each.state for each in messages(made)]


def eventually(look: Callable[[], object], timeout_s: float = 30) -> None:
    until = time.monotonic() + timeout_s
    while not look():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def change(made: Made, **values: object) -> None:
    with transaction():
        run(update(WebhookEndpoint).where(col(WebhookEndpoint.id) == made.id).values(**values))


def test_message_arrives_signed_and_once(cast: Cast, receiver: Receiver, made: Made) -> None:
    hello(made, cast)
    assert [send_due(), send_due()] == [1, 0]
    posted = receiver.wait_for(1)
    told = Webhook(made.secret).verify(posted[0].body, posted[0].headers)
    assert told["type"] == "ping"
    assert told["data"] == {"endpoint_id": made.id}
    assert posted[0].headers["webhook-id"] == f"msg_{messages(made)[0].id}"
    assert posted[0].headers["Content-Type"] == "application/json"
    assert states(made) == ["sent"]
    tried = attempts(made)[0]
    assert (tried.status, tried.answer, tried.error) == (201, '{"ok": true}', "")


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (500, "The receiver answered 500."), (400, "The receiver answered 400."),
        (302, "The receiver sends us elsewhere (302); redirects are not followed."),
    ],
)  # fmt: skip
def test_answer_other_than_good_is_tried_again_under_the_same_id(
    cast: Cast, receiver: Receiver, made: Made, status: int, why: str
) -> None:
    receiver.answers = [status]
    hello(made, cast)
    assert send_due() == 0
    left = messages(made)[0]
    assert (left.state, left.last_error) == ("waiting", why)
    assert send_due() == 0, "not again at once"
    with at(left.due_at):
        assert send_due() == 1
    ids = {each.headers["webhook-id"] for each in receiver.posted}
    assert len(receiver.posted) == 2
    assert len(ids) == 1
    assert [each.status for each in attempts(made)] == [status, 201]
    assert receiver.posted[0].body == receiver.posted[1].body


def test_tries_come_later_and_later_spread_and_end_after_two_days(
    cast: Cast, receiver: Receiver, made: Made
) -> None:
    hello(made, cast)
    receiver.status, moment = 500, now()
    for wait_s in BACKOFF_S:
        with at(moment):
            send_due()
        due = messages(made)[0].due_at
        assert moment + timedelta(seconds=wait_s) <= due <= moment + timedelta(seconds=wait_s * (1 + JITTER))
        moment = due
    with at(moment):
        send_due()
    assert states(made) == ["dead"]
    assert len(receiver.posted) == len(BACKOFF_S) + 1


def test_receiver_that_asks_for_patience_gets_it(
    cast: Cast, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = b"HTTP/1.1 429 Slow\r\nRetry-After: 900\r\nContent-Length: 0\r\n\r\n"
    with raw_server(lambda connection: connection.sendall(busy)) as server:
        change(made, url=f"http://127.0.0.1:{server.port}/")
        hello(made, cast)
        send_due()
    assert messages(made)[0].due_at > now() + timedelta(seconds=800)


def test_gone_switches_off_at_once_and_people_hear_of_it(cast: Cast, receiver: Receiver, made: Made) -> None:
    receiver.status = 410
    hello(made, cast, 3)
    send_due()
    endpoint = the_endpoint(made)
    assert (endpoint.state, endpoint.state_reason) == (
        "disabled",
        "The receiver says that it is gone for good (410).",
    )
    with at(now() + timedelta(minutes=1)):
        send_due()
    assert len(receiver.posted) == 1
    assert states(made) == ["dead"] * 3
    with transaction(read_only=True):
        asked = session().exec(select(Action)).one()
        mails = session().exec(select(OutboxMessage).where(OutboxMessage.kind == "mail")).all()
    assert (asked.kind, asked.subject_id, asked.unit_id) == ("webhook.look", made.id, cast.north.id)
    assert {each.recipient for each in mails} == {cast.manager.email, cast.hub_admin.email}
    assert f"/console/settings/webhooks/{made.id}" in mails[0].content["text"]


def test_days_of_nothing_but_failures_switch_off_and_one_success_forgives(
    cast: Cast, receiver: Receiver, made: Made
) -> None:
    long_ago = now() - timedelta(days=5, minutes=1)
    receiver.answers = [500, 201, 500]
    change(made, failures=8, failing_since=long_ago)
    hello(made, cast)
    send_due()
    assert (the_endpoint(made).state, the_endpoint(made).failures) == ("enabled", 9)
    with at(now() + timedelta(seconds=10)):
        send_due()
    assert (the_endpoint(made).failures, the_endpoint(made).failing_since) == (0, None)
    change(made, failures=9, failing_since=long_ago)
    hello(made, cast)
    send_due()
    endpoint = the_endpoint(made)
    assert endpoint.state == "disabled"
    assert endpoint.state_reason == "Nothing but failures for 5 days. The last: The receiver answered 500."


def test_slow_receiver_holds_up_only_itself(
    cast: Cast, receiver: Receiver, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = Event()
    monkeypatch.setattr(webhook_sender, "PATIENCE_S", 0.1)
    monkeypatch.setattr(outgoing, "TOTAL_TIMEOUT_S", 60)
    with raw_server(lambda _connection: released.wait(60)) as hanging:
        slow = make_endpoint(cast.north, f"http://127.0.0.1:{hanging.port}/", by=cast.manager)
        hello(slow, cast, 2)
        for count in (1, 2):
            hello(made, cast)
            eventually(lambda count=count: send_due() or len(receiver.posted) == count)  # type: ignore[misc]
        eventually(lambda: hanging.arrived)
        send_due()
        assert attempts(slow) == [], "nobody waits for the slow one"
        assert len(hanging.arrived) == 1, "and it gets no second request beside the first"
        released.set()
        eventually(lambda: attempts(slow))
    assert attempts(slow)[0].status is None
    assert attempts(slow)[0].error.startswith("The connection broke off")


def test_receiver_that_ails_gets_one_message_at_a_time_until_it_is_well(
    cast: Cast, receiver: Receiver, made: Made
) -> None:
    change(made, failures=webhook_sender.AILS_AFTER, failing_since=now())
    hello(made, cast, 5)
    assert send_due() == 1
    assert send_due() == 4
    assert the_endpoint(made).failures == 0


def test_many_messages_go_out_side_by_side_and_each_once(cast: Cast, receiver: Receiver, made: Made) -> None:
    hello(made, cast, 45)
    answers = at_once(send_due, send_due)
    eventually(lambda: send_due() or set(states(made)) == {"sent"})
    assert [each for each in answers if isinstance(each, BaseException)] == []
    assert states(made) == ["sent"] * 45
    assert len({each.headers["webhook-id"] for each in receiver.posted}) == len(receiver.posted) == 45


def test_sender_that_was_killed_leaves_the_message_to_the_next(
    cast: Cast, receiver: Receiver, made: Made
) -> None:
    hello(made, cast)
    with transaction():
        run(update(OutboxMessage).values(state="sending", attempts=1, due_at=now() + timedelta(minutes=2)))
    assert send_due() == 0, "its lease runs: it might be alive"
    with at(now() + timedelta(minutes=2)):
        assert send_due() == 1


def test_name_that_leads_into_a_private_network_is_a_failure_that_is_said(cast: Cast, made: Made) -> None:
    change(made, url="http://10.0.0.1/")  # as a name that came to lead there
    hello(made, cast)
    send_due()
    assert attempts(made)[0].error.startswith("This name leads into a private network.")
    assert states(made) == ["waiting"]


def test_switched_off_gets_nothing_and_what_waited_can_be_sent_again(
    cast: Cast, receiver: Receiver, made: Made
) -> None:
    by = COMMAND
    hello(made, cast, 2)
    with transaction():
        endpoints.disable(get_endpoint(made.id), "Maintenance.", by=by)
    assert send_due() == 0
    assert states(made) == ["dead"] * 2
    with pytest.raises(SwitchedOff), transaction():
        deliveries.ping(get_endpoint(made.id), by=by)
    with pytest.raises(SwitchedOff), transaction():
        deliveries.send_failed_again(get_endpoint(made.id), now(), by=by)
    with transaction():
        endpoints.enable(get_endpoint(made.id), by=by)
        assert deliveries.send_failed_again(get_endpoint(made.id), now() - timedelta(hours=1), by=by) == 2
    assert send_due() == 2
    assert receiver.posted


def test_what_waits_for_an_endpoint_that_is_on_again_meanwhile_is_not_given_up(
    cast: Cast, receiver: Receiver, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_up = endpoints.give_up

    def switched_on_before(endpoint_id: str) -> int:
        run(update(WebhookEndpoint).where(col(WebhookEndpoint.id) == made.id).values(state="enabled"))
        return give_up(endpoint_id)

    hello(made, cast)
    change(made, state="disabled")
    monkeypatch.setattr(endpoints, "give_up", switched_on_before)
    assert send_due() == 0
    assert states(made) == ["waiting"]
    assert send_due() == 1


def test_only_what_failed_since_is_sent_again_and_so_much_at_once(
    cast: Cast, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "MOST_AGAIN", 2)
    hello(made, cast, 5)
    old, *_others = messages(made)
    with transaction():
        run(update(OutboxMessage).values(state="dead"))
        run(
            update(OutboxMessage)
            .where(col(OutboxMessage.id) == old.id)
            .values(created_at=now() - timedelta(days=2))
        )
    by, since = COMMAND, now() - timedelta(days=1)
    with transaction():
        assert [deliveries.send_failed_again(get_endpoint(made.id), since, by=by) for _ in range(3)] == [
            2,
            2,
            0,
        ]
    assert states(made) == ["dead", *["waiting"] * 4]


def test_one_delivery_is_sent_again_under_its_id_but_not_while_it_is_under_way(
    cast: Cast, receiver: Receiver, made: Made
) -> None:
    hello(made, cast)
    send_due()
    by = COMMAND
    with transaction():
        deliveries.send_again(get_endpoint(made.id), session().exec(select(OutboxMessage)).one(), by=by)
    assert send_due() == 1
    assert len({each.headers["webhook-id"] for each in receiver.posted}) == 1
    assert len(receiver.posted) == 2
    with transaction():
        run(update(OutboxMessage).values(state="sending"))
    with pytest.raises(UnderWay), transaction():
        deliveries.send_again(get_endpoint(made.id), session().exec(select(OutboxMessage)).one(), by=by)


def test_old_deliveries_are_forgotten_and_what_waits_is_kept(
    cast: Cast, receiver: Receiver, made: Made
) -> None:
    hello(made, cast)
    send_due()
    hello(made, cast)
    assert deliveries.forget_old() == 0
    with at(now() + timedelta(days=61)):
        assert deliveries.forget_old() == 2
    assert states(made) == ["waiting"]
    assert json.loads(messages(made)[0].content["body"])["type"] == "ping"


def test_one_run_forgets_all_that_is_old_in_steps(
    cast: Cast, receiver: Receiver, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "FORGET_AT_ONCE", 2)
    for _ in range(5):
        hello(made, cast)
    send_due()
    with at(now() + timedelta(days=61)):
        assert deliveries.forget_old() == 5 + 5
        assert deliveries.forget_old() == 0
    assert states(made) == []
