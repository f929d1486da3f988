"""The outbox: left once, claimed by one, tried again later, dead in the end, and never lost."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from smtplib import SMTPServerDisconnected

import pytest
from sqlmodel import col, select

from core.clock import at, now
from core.db import session, transaction
from core.outbox import BACKOFF_S, BATCH, LEASE, NotSent, OutboxMessage, put, put_many, send_again, send_due
from tests.at_once import at_once

pytestmark = pytest.mark.usefixtures("settings")
NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def leave(subject: str = "s", step: str = "welcome", kind: str = "mail") -> bool:
    with transaction():
        return put(kind, subject, step, to="ana@example.org", content={"text": "hello"})


def the_message() -> OutboxMessage:
    with transaction(read_only=True):
        return session().exec(select(OutboxMessage)).one()


def states() -> list[str]:
    with transaction(read_only=True):
        return list(session().exec(select(OutboxMessage.state).order_by(col(OutboxMessage.id))).all())


def refuses(_message: OutboxMessage) -> None:
    raise SMTPServerDisconnected("gone")


def test_step_of_a_subject_is_left_once() -> None:
    assert [leave(), leave(), leave(step="later"), leave("other"), leave(kind="webhook")] == [
        True,
        False,
        True,
        True,
        True,
    ]


def test_undone_act_sends_nothing() -> None:
    def act() -> None:
        put("mail", "s", "welcome", to="a", content={})
        raise KeyError

    with pytest.raises(KeyError), transaction():
        act()
    assert send_due("mail", refuses) == 0
    assert states() == []


def test_message_is_delivered_with_no_transaction_open_and_not_again() -> None:
    leave()
    got: list[str] = []

    def deliver(message: OutboxMessage) -> None:
        with transaction(read_only=True):  # a transaction that was open would refuse this
            assert session().get_one(OutboxMessage, message.id).state == "sending"
        got.append(message.content["text"])

    assert [send_due("mail", deliver), send_due("mail", deliver)] == [1, 0]
    assert got == ["hello"]
    sent = the_message()
    assert (sent.state, sent.attempts, sent.last_error) == ("sent", 1, "")
    assert sent.sent_at is not None


def test_other_kinds_and_what_is_due_later_wait() -> None:
    leave(kind="webhook")
    assert send_due("mail", refuses) == 0
    with at(NOON + timedelta(days=400)):
        leave("future")
    with at(NOON):
        assert send_due("mail", refuses) == 0


def test_two_senders_at_once_send_each_message_once() -> None:
    for number in range(12):
        leave(str(number))
    got: list[str] = []

    def send() -> int:
        return send_due("mail", lambda message: got.append(message.subject))

    answers = at_once(send, send, send)
    assert sum(each for each in answers if isinstance(each, int)) == 12, answers
    assert sorted(got, key=int) == [str(number) for number in range(12)]


def test_run_takes_a_batch_and_the_next_run_the_rest() -> None:
    with transaction():
        for number in range(BATCH + 3):
            put("mail", str(number), "welcome", to="a", content={})
    assert [send_due("mail", lambda _message: None) for _ in range(3)] == [BATCH, 3, 0]


def test_what_fails_is_tried_again_later_and_later_until_it_is_dead() -> None:
    moment = NOON
    with at(moment):
        leave()
    for number, wait_s in enumerate(BACKOFF_S, start=1):
        with at(moment):
            assert send_due("mail", refuses) == 0
            assert send_due("mail", refuses) == 0, "not again at once"
        message = the_message()
        assert (message.state, message.attempts) == ("waiting", number)
        assert message.due_at == moment + timedelta(seconds=wait_s)
        assert message.last_error == "SMTPServerDisconnected: gone"
        moment = message.due_at
    with at(moment):
        send_due("mail", refuses)
    assert (the_message().state, the_message().attempts) == ("dead", len(BACKOFF_S) + 1)
    with at(moment + timedelta(days=365)):
        assert send_due("mail", lambda _message: None) == 0, "the dead rest until somebody asks"


def test_dead_message_is_sent_when_somebody_says_so_and_only_a_dead_one() -> None:
    leave()
    message_id = the_message().id
    with transaction():
        assert not send_again(message_id)
        session().get_one(OutboxMessage, message_id).state = "dead"
    with transaction():
        assert send_again(message_id)
        assert not send_again("no such message")
    assert send_due("mail", lambda _message: None) == 1
    with transaction():
        assert not send_again(message_id)


@pytest.mark.parametrize(
    "error",
    [ConnectionRefusedError("no"), TimeoutError(), ValueError("Header values may not contain linefeed")],
)
def test_one_that_cannot_be_sent_does_not_stop_the_others(error: Exception) -> None:
    for subject in ("first", "second", "third"):
        leave(subject)

    def deliver(message: OutboxMessage) -> None:
        if message.subject == "second":
            raise error

    assert send_due("mail", deliver) == 2
    assert states() == ["sent", "waiting", "sent"]


def test_mistake_of_ours_is_not_swallowed_and_the_message_is_sent_after_its_lease() -> None:
    leave()

    def deliver(_message: OutboxMessage) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        send_due("mail", deliver)
    assert the_message().state == "sending"
    with at(now() + LEASE + timedelta(seconds=1)):
        assert send_due("mail", lambda _message: None) == 1


def test_many_are_left_at_once_and_a_step_that_was_left_before_only_once() -> None:
    def some() -> list[OutboxMessage]:
        return [
            OutboxMessage(kind="webhook", subject=each, step="e", recipient="e", content={}) for each in "abc"
        ]

    for _ in range(2):
        with transaction():
            put_many(some())
            put_many([])
    assert states() == ["waiting"] * 3


def test_receiver_that_names_a_pause_is_left_alone_so_long() -> None:
    def deliver(_message: OutboxMessage) -> None:
        raise NotSent("The receiver answered 429.", after_s=900)

    with at(NOON):
        leave()
        assert send_due("mail", deliver) == 0
    assert the_message().due_at == NOON + timedelta(seconds=900)
    assert the_message().last_error == "The receiver answered 429."


def test_tries_of_webhooks_are_spread_so_that_a_receiver_that_comes_back_is_not_stormed() -> None:
    with at(NOON), transaction():
        for number in range(20):
            put("webhook", str(number), "e", to="e", content={})
    with at(NOON):
        send_due("webhook", refuses)
    with transaction(read_only=True):
        pauses = {(each.due_at - NOON).total_seconds() for each in session().exec(select(OutboxMessage))}
    assert len(pauses) > 10
    assert BACKOFF_S[0] <= min(pauses) <= max(pauses) <= BACKOFF_S[0] * 1.2


KILLED = """
import os, signal, sys
from core import db, outbox
db.connect(sys.argv[1])
outbox.send_due("mail", lambda message: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_sender_killed_between_claim_and_settling_loses_nothing(database: str) -> None:
    leave()
    root = Path(__file__).parents[2]
    words = [sys.executable, "-c", KILLED, database]
    child = subprocess.run(words, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=False)
    assert child.returncode == -9
    assert (the_message().state, the_message().attempts) == ("sending", 1)
    assert send_due("mail", lambda _message: None) == 0, "its lease runs: it might be alive"
    with at(now() + LEASE):
        assert send_due("mail", lambda _message: None) == 1
    assert (the_message().state, the_message().attempts) == ("sent", 2)


def test_sender_killed_again_and_again_lets_the_message_die_in_the_end() -> None:
    leave()
    with transaction():
        message = session().exec(select(OutboxMessage)).one()
        message.state, message.attempts = "sending", len(BACKOFF_S) + 1
        message.due_at = NOON
    send_due("mail", refuses)
    assert the_message().state == "dead"


def test_what_is_left_together_goes_in_the_order_in_which_it_was_left() -> None:
    with transaction():
        put_many(
            [
                OutboxMessage(kind="mail", subject=f"{n}", step="one", recipient="", content={})
                for n in range(40)
            ]
        )
    sent: list[str] = []
    send_due("mail", lambda message: sent.append(message.subject))
    assert sent == [f"{n}" for n in range(40)]
