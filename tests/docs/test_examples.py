"""The examples in docs/ against the running application: what integrators copy works."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from inspect import Parameter, signature
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import spokes_client
from flask import Flask
from spokes_client import Conversion, Refused, Spokes, Unreachable
from werkzeug.serving import make_server

from core import db
from core.api_keys import SCOPES, create_api_key
from core.clock import now
from core.people import get_person
from core.settings import Settings, configure
from referrals.conversions.examples import A_LINK, A_LINK_CHANGE, A_REFUND, A_REFUND_TAKEN_BACK, A_SALE
from tests.factories import Cast
from tests.referrals.stories import make_earner, make_link, order
from tests.rewards.stories import percent_rule
from web import machines

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """Where the application answers over HTTP."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def key(cast: Cast) -> str:
    """A key of north, where Ana has a link and earns ten percent."""
    with db.transaction():
        percent_rule(cast.programme)
        make_link(make_earner(cast.programme), "ana", coupon="ANA10")
        return create_api_key("a shop", list(SCOPES), cast.north.id)


@pytest.fixture
def spokes(address: str, key: str) -> Spokes:
    return Spokes(address, key, wait=lambda _seconds: None)


def run(name: str, *arguments: str, address: str, key: str) -> subprocess.CompletedProcess[str]:
    """One of the example programs, as somebody would run it."""
    environment = {**os.environ, "SPOKES_URL": address, "SPOKES_KEY": key}
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_sale_is_reported_once_refunded_and_read_back(spokes: Spokes) -> None:
    at = now()
    first = spokes.report_sale("order-1", amount_minor=12_900, currency="EUR", code="ana", occurred_at=at)
    assert (first.link, first.reward_minor) == ("ana", 1_290)
    assert first.occurred_at == at
    assert (
        spokes.report_sale("order-1", amount_minor=12_900, currency="EUR", code="ana", occurred_at=at)
        == first
    )
    with pytest.raises(Refused) as refused:
        spokes.report_sale("order-1", amount_minor=1, currency="EUR", code="ana", occurred_at=at)
    assert (refused.value.status, refused.value.error) == (409, "ConversionDiffers")
    assert spokes.refund("refund-1", sale="order-1", amount_minor=900, occurred_at=at).state == "applied"
    [found] = spokes.conversions(since=at - timedelta(hours=1), kind="sale")
    assert (found.external_id, found.refunded_minor, found.reward_minor) == ("order-1", 900, None)
    assert spokes.undo_refund("refund-1").state == "came_back"
    assert list(spokes.conversions(until=at)) == []
    [reward] = [each for each in spokes.rewards() if each.kind == "earned"]
    assert reward.arithmetic


def test_pages_are_walked_without_the_caller_seeing_them(
    spokes: Spokes, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = list(spokes.report_many([order(code="ana") for _ in range(5)] + [order(kind="gift")]))
    assert [isinstance(each, Conversion) for each in results] == [True] * 5 + [False]
    assert isinstance(results[5], Refused)
    assert results[5].status == 422
    ask = Spokes._ask  # noqa: SLF001 - smaller pages than the client asks for
    monkeypatch.setattr(
        Spokes,
        "_ask",
        lambda self, method, path, *, query=None, **rest: ask(
            self, method, path, query={**(query or {}), "limit": "2"}, **rest
        ),
    )
    assert len(list(spokes.conversions())) == 5


def test_a_line_of_a_batch_ends_with_a_line_feed_and_nothing_else(spokes: Spokes) -> None:
    odd = {f"a{each}b": 1 for each in "\u2028\u2029\x85"}
    results = list(spokes.report_many([order(code="ana", **odd), order(code="ana")]))
    assert [type(each) for each in results] == [Refused, Conversion]


def test_links_are_opened_ended_and_listed(spokes: Spokes, cast: Cast) -> None:
    with db.transaction():
        email = get_person(make_earner(cast.programme, "Ben Bearer").person_id).email
    made = spokes.open_link(email=email, campaign="spring")
    assert made.active
    assert made.code in {each.code for each in spokes.links(programme="makers")}
    assert not spokes.end_link(made.code).active
    assert not spokes.link(made.code).active
    with pytest.raises(Refused) as refused:
        spokes.link("no/such code")
    assert refused.value.status == 404


def test_a_request_over_the_rate_waits_as_long_as_it_is_told_and_succeeds(
    address: str, key: str, settings: Settings
) -> None:
    configure(settings.model_copy(update={"api_reads_per_minute": 1}))
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        machines.rates.forget()  # as if the minute were over

    spokes = Spokes(address, key, wait=wait)
    assert spokes.link("ana").code == "ana"
    assert spokes.link("ana").code == "ana"
    assert len(waits) == 1
    assert 0 < waits[0] <= 60


def test_what_got_lost_on_the_way_is_sent_again_with_the_same_body(
    spokes: Spokes, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[object] = []

    def loses_the_first_answer(request: Request, **rest: Any) -> object:  # noqa: ANN401 - urlopen's own
        answer = urlopen(request, **rest)  # noqa: S310 - of the client, to the fixture
        sent.append(request.data)
        if len(sent) == 1:
            answer.close()
            raise TimeoutError
        return answer

    at = now()
    monkeypatch.setattr(spokes_client, "urlopen", loses_the_first_answer)
    told = spokes.report_sale("order-1", occurred_at=at, amount_minor=12_900, currency="EUR", code="ana")
    spokes.refund("refund-1", sale="order-1", occurred_at=at, amount_minor=900)
    assert sent[0] == sent[1]
    assert len(sent) == 3
    assert [each.id for each in spokes.conversions()] == [told.id]


def test_who_says_a_sale_or_a_refund_says_its_moment_so_that_it_can_be_said_again(
    address: str, key: str
) -> None:
    told = ("report_sale.py", "order-7", now().isoformat(), "12900", "EUR", "--code", "ana")
    first, again = (run(*told, address=address, key=key) for _ in range(2))
    assert (again.returncode, again.stdout, again.stderr) == (0, first.stdout, "")
    for vague in ("2026-11-02T10:15:00", "today"):
        assert (
            run("report_sale.py", "order-8", vague, "12900", "EUR", address=address, key=key).returncode == 2
        )
    for tell in (Spokes.report_sale, Spokes.refund):
        assert signature(tell).parameters["occurred_at"].default is Parameter.empty


def test_who_is_never_reached_is_tried_and_then_said() -> None:
    waits: list[float] = []
    with pytest.raises(Unreachable):
        Spokes("http://127.0.0.1:9", "key", tries=4, wait=waits.append).link("ana")
    assert waits == [1, 2, 4]
    with pytest.raises(ValueError, match="https://"):
        Spokes("file:///etc/passwd", "key")


def test_the_programs_report_and_list(address: str, key: str) -> None:
    at = now().isoformat()
    good = run("report_sale.py", "order-7", at, "12900", "EUR", "--code", "ana", address=address, key=key)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("order-7: Advocate #")
    bad = run("report_sale.py", "order-8", at, "12900", "EUR", address=address, key=key)
    assert bad.returncode == 1
    assert "422 InvalidInput" in bad.stderr
    listed = run("list_conversions.py", "--days", "2", address=address, key=key)
    assert listed.stderr == ""
    header, row = listed.stdout.splitlines()
    assert header.startswith("occurred_at,order,kind")
    assert ",order-7,sale,12900,EUR," in row
    run("report_sale.py", "=1+1", at, "100", "EUR", "--code", "ana", address=address, key=key)
    listed = run("list_conversions.py", address=address, key=key)
    assert ",'=1+1,sale,100,EUR," in listed.stdout


def test_the_document_s_own_examples_are_taken(app: Flask, key: str, cast: Cast) -> None:
    with db.transaction():
        person = get_person(make_earner(cast.programme, "Ana Example").person_id)
        person.email = A_LINK["email"]
        db.session().add(person)
    client = app.test_client()
    headers = {"Authorization": f"Bearer {key}"}
    for path, body in {"conversions": A_SALE, "refunds": A_REFUND, "links": A_LINK}.items():
        assert client.post(f"/api/v1/{path}", json=body, headers=headers).status_code == 201, path
    undone = client.post("/api/v1/refunds/undo", json=A_REFUND_TAKEN_BACK, headers=headers)
    assert undone.status_code == 200, undone.text
    changed = client.patch(f"/api/v1/links/{A_LINK['code']}", json=A_LINK_CHANGE, headers=headers)
    assert changed.status_code == 200, changed.text
