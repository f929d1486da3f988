"""Everything that takes input gets hostile input, from everybody, and never answers 500."""

import json
import re
from collections.abc import Iterable, Iterator

import pytest
from flask import Flask, Request
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.datastructures import MultiDict
from werkzeug.routing import Rule
from werkzeug.utils import cached_property

from core.access import COMMAND
from core.api_keys import SCOPES, create_api_key
from core.db import transaction
from core.ids import new_id
from core.people import get_person
from curriculum import attempts
from curriculum.releases import content_of
from hub import endpoints
from hub.policies import publish_policy
from referrals.conversions import appeals
from referrals.fraud.fraud_addresses import digest
from rewards.approvals import approvals
from rewards.payouts import payouts
from rewards.reward import get_reward
from tests.advocates.stories import make_application
from tests.conftest import ON_POSTGRESQL
from tests.curriculum.stories import make_enrolment, make_release
from tests.factories import Cast, acting, make_advocate, sign_in
from tests.referrals.fraud_stories import odd
from tests.referrals.stories import bring, make_earner, make_link
from tests.rewards.stories import approvable, percent_rule, ready_account, seen

pytestmark = pytest.mark.timeout(400)
HUGE = "x" * 60_000
TEXTS = {
    "nothing": "",
    "blank": "   ",
    "nul": "a\0b",
    "lone surrogate": "\ud800",
    "control": "a\x1b[31mb",
    "huge": HUGE,
    "formula": '=HYPERLINK("http://x.example","y")',
    "script": "<script>alert(1)</script>{{7*7}}{% for %}",
    "sql": "' OR 1=1; DROP TABLE person; --",
    "path": "../../../etc/passwd",
    "right to left": "\u202eevil",
    "number": "9" * 5_000,
    "negative": "-1",
    "nan": "NaN",
    "infinite": "1e999",
    "date": "2026-02-30",
    "far": "99999-01-01T00:00:00Z",
    "emoji": "👩‍🚀" * 50,
    "percent": "%00%ff%",
}
JSONS = {
    "nothing": b"",
    "not json": b"{",
    "null": b"null",
    "list": b"[]",
    "text": b'"text"',
    "nan": b'{"amount_minor": NaN}',
    "infinite": b'{"amount_minor": 1e999}',
    "digits": b'{"amount_minor": ' + b"9" * 5_000 + b"}",
    "deep": b'{"metadata": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "twins": b'{"kind": "sale", "kind": "lead"}',
    "bad utf-8": b'{"kind": "\xff"}',
    "surrogate": b'{"external_id": "\\ud800", "kind": "sale"}',
    "nul": b'{"external_id": "a\\u0000b", "kind": "sale"}',
    "wrong types": b'{"external_id": [1], "kind": {}, "occurred_at": 5, "click": true, "amount_minor": "1", "currency": 7}',
    "bool amount": b'{"external_id": "a", "kind": "sale", "occurred_at": "2026-01-01T00:00:00Z", "code": "ana", "amount_minor": true, "currency": "EUR"}',
    "float amount": b'{"external_id": "a", "kind": "sale", "occurred_at": "2026-01-01T00:00:00Z", "code": "ana", "amount_minor": 1.5, "currency": "EUR"}',
    "big amount": b'{"external_id": "a", "kind": "sale", "occurred_at": "2026-01-01T00:00:00Z", "code": "ana", "amount_minor": 999999999999999999, "currency": "EUR"}',
    "no such currency": b'{"external_id": "a", "kind": "sale", "occurred_at": "2026-01-01T00:00:00Z", "code": "ana", "amount_minor": 1, "currency": "XXQ"}',
    "no zone": b'{"external_id": "a", "kind": "sale", "occurred_at": "2026-01-01T00:00:00", "code": "ana", "amount_minor": 1, "currency": "EUR"}',
    "year 0": b'{"external_id": "a", "kind": "lead", "occurred_at": "0001-01-01T00:00:00+23:59", "code": "ana"}',
    "nested nul": b'{"external_id": "a", "kind": "lead", "occurred_at": "2026-01-01T00:00:00Z", "code": "ana", "metadata": {"a\\u0000": "b"}}',
    "formula": b'{"external_id": "=1+1", "kind": "lead", "occurred_at": "2026-01-01T00:00:00Z", "code": "=cmd"}',
}


TABLES = {
    "application_id": "application",
    "membership_id": "membership",
    "conversion_id": "conversion",
    "certification_id": "certification",
    "award_id": "award",
    "message_id": "outbox_message",
    "endpoint_id": "webhook_endpoint",
    "link_id": "link",
    "run_id": "payout_run",
    "payout_id": "payout",
    "programme_id": "programme",
    "reward_id": "reward",
    "key_id": "api_key",
    "unit_id": "unit",
    "grant_id": "role_grant",
    "attempt_id": "attempt",
    "version_id": "policy_version",
    "import_id": "conversion_import",
    "case_id": "fraud_case",
    "appeal_id": "appeal",
    "form_id": "tax_form",
}
OTHERS = {
    "fmt": "csv",
    "month": "2026-11",
    "year": "2026",
    "version": "1",
    "slug": "makers",
    "module_slug": "one",
    "lesson_slug": "first",
    "code": "ana",
    "token": "x" * 43,
}


@pytest.fixture
def everybody(app: Flask, cast: Cast) -> dict[str, FlaskClient]:
    """Browsers: nobody's, a hub admin's, an advocate's; with one of everything in the database."""
    with transaction():
        release = make_release(cast)
        learner = make_advocate(cast.programme, "Lea Learner")
        attempts.start(make_enrolment(learner), content_of(release).modules[0].slug)
        percent_rule(cast.programme)
        earner = make_earner(cast.programme)
        make_link(earner, "ana")
        create_api_key("a key", list(SCOPES), cast.hub.id)
        publish_policy(cast.programme.id, "conduct", "Conduct", "Be kind.", by=COMMAND)
        make_application(cast.programme.slug)
        endpoints.create(cast.hub.id, "https://hooks.example/in", ["*"], by=COMMAND)
        ready_account(earner)
    first, _second = approvable(earner), approvable(earner, 64_000)
    odd(cast.north, cast.marketing, external_id="an-odd-one")
    with transaction():
        own = {"email_sha256": digest(get_person(earner.person_id).email)}
        lost = bring(cast.north.id, external_id="a-lost-one", code="ana", customer=own)
        appeals.appeal(earner, lost.id, words="It is mine.", by=COMMAND)
        approvals.approve(seen(get_reward(first)), by=acting(cast.manager))
        payouts.run_now(cast.programme, by=acting(cast.finance))
        advocate = get_person(earner.person_id)
    people = {"hub admin": cast.hub_admin, "advocate": advocate}
    return {"nobody": app.test_client()} | {
        name: sign_in(app.test_client(), who) for name, who in people.items()
    }


def _addresses(app: Flask, method: str) -> Iterator[tuple[Rule, str]]:
    """Every address of ours that takes a method, its parts filled with what exists, and with an id that exists nowhere; none twice."""
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        if method not in (rule.methods or ()):
            continue
        built: dict[str, None] = {}
        for known in (_known(rule.arguments), OTHERS):
            parts = {name: known.get(name) or OTHERS.get(name) or new_id() for name in rule.arguments}
            built[adapter.build(rule.endpoint, parts, method=method)] = None
        yield from ((rule, address) for address in built)


def _known(names: Iterable[str]) -> dict[str, str]:
    """What there is now of these kinds."""
    with transaction(read_only=True) as session:
        return {
            name: found
            for name in TABLES.keys() & names
            if (found := session.execute(text(f"SELECT id FROM {TABLES[name]} LIMIT 1")).scalar())  # noqa: S608 - our own names
        }


TURNS = len(TEXTS) if ON_POSTGRESQL else len(TEXTS) // 2 + 2
"""How often a page gets hostile input from each person: every field another text each time, and other ones at the next page.

PostgreSQL, which refuses more, gets all of it.
"""


def _hostile(names: Iterable[str], place: int, turn: int) -> dict[str, str]:
    """A text for each field; every field meets every text at every page."""
    texts = [each.replace("\ud800", "\ufffd") for each in TEXTS.values()]
    first = place + turn
    return {name: texts[(first + number) % len(texts)] for number, name in enumerate(sorted(names))}


def _fields(page: str) -> set[str]:
    return set(re.findall(r'name="([^"]+)"', page)) - {"csrf_token"}


class Watched(Request):
    """A request that knows whether anybody looked at its query."""

    looked_at = 0

    @cached_property
    def args(self) -> MultiDict[str, str]:
        """The query, looked at."""
        Watched.looked_at += 1
        return super().args

    @property
    def full_path(self) -> str:
        """The address with its query, looked at."""
        Watched.looked_at += 1
        return super().full_path


def test_queries_from_hell_never_break_a_page(
    app: Flask, everybody: dict[str, FlaskClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "request_class", Watched)
    names = (
        "q",
        "state",
        "after",
        "sort",
        "kind",
        "programme",
        "metric",
        "currency",
        "period",
        "from",
        "to",
        "unit",
        "limit",
        "next",
        "unknown",
    )
    broken = []
    for place, (_rule, address) in enumerate(_addresses(app, "GET")):
        for who, browser in everybody.items():
            for turn in range(TURNS):
                typed = {name: written[:3_000] for name, written in _hostile(names, place, turn).items()}
                before = Watched.looked_at
                answer = browser.get(address, query_string=typed)
                if answer.status_code >= 500 and answer.status_code != 503:
                    broken.append(f"{who} GET {address} with {typed}: {answer.status_code}"[:400])
                if answer.status_code in {302, 303, 403, 404, 503}:
                    break  # turned away before anything is read; 503: no clock and no Stripe run here
                if Watched.looked_at == before:
                    break  # nobody reads a query here, whatever it says
    assert not broken, "\n".join(broken[:40])


def test_forms_from_hell_never_break_a_page(app: Flask, everybody: dict[str, FlaskClient]) -> None:
    broken = []
    common = {
        "name",
        "email",
        "why",
        "reason",
        "text",
        "title",
        "slug",
        "password",
        "code",
        "destination",
        "seq",
        "picked",
        "answers",
    }
    for place, (rule, address) in enumerate(_addresses(app, "POST")):
        if rule.rule.startswith(("/api/", "/webhooks/")):
            continue
        for who, browser in everybody.items():
            page = browser.get(address)
            names = common | _fields(page.text if page.status_code == 200 else "")
            for turn in range(TURNS):
                typed = _hostile(names, place, turn)
                answer = browser.post(address, data=typed)
                if answer.status_code >= 500:
                    broken.append(f"{who} POST {address} with {typed}: {answer.status_code}"[:400])
                away = answer.headers.get("Location", "").startswith("/login")
                if rule.rule in {"/logout", "/login"} or answer.status_code == 404 or away:
                    break  # nobody is left, nothing is there to write to, or whoever is nobody is sent to sign in
    assert not broken, "\n".join(broken[:40])


@pytest.mark.parametrize("what", JSONS)
def test_json_from_hell_is_refused_by_the_api(app: Flask, cast: Cast, what: str) -> None:
    with transaction():
        secret = create_api_key("hostile", list(SCOPES), cast.hub.id)
    machine, headers = app.test_client(), {"Authorization": f"Bearer {secret}"}
    for rule, address in _addresses(app, "POST"):
        if not rule.rule.startswith(("/api/", "/webhooks/")):
            continue
        for kind in ("application/json", "application/x-ndjson", "text/plain"):
            answer = machine.post(address, data=JSONS[what], headers=headers, content_type=kind)
            assert answer.status_code < 500, f"{address} with {what} as {kind}: {answer.status_code}"
            if (
                rule.rule in {"/api/v1/conversions", "/api/v1/refunds"} and what != "formula"
            ):  # any text may be an id
                assert answer.status_code >= 400, f"{address} took {what}"
                assert set(answer.get_json()) == {"error", "message", "details"}


def test_a_body_over_the_limit_is_413_with_a_sentence(app: Flask, cast: Cast) -> None:
    with transaction():
        secret = create_api_key("hostile", list(SCOPES), cast.hub.id)
    body = json.dumps({"metadata": {"a": "x" * 2_000_000}})
    answer = app.test_client().post(
        "/api/v1/conversions",
        data=body,
        headers={"Authorization": f"Bearer {secret}"},
        content_type="application/json",
    )
    assert answer.status_code == 413
    assert answer.get_json()["error"] == "TooLarge"
