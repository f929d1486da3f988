"""Staff open one link for an advocate: what it is given, what an import refuses too, who may."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlmodel import col, func, select

from advocates.membership import Membership
from core import db
from core.audit import AuditEntry
from core.clock import now
from referrals.links.link_import import dry_run
from referrals.links.links import Link, find_link
from tests.factories import Cast, make_advocate, sign_in
from tests.referrals.stories import make_earner, make_link

PAGE = "/console/links/new"


@pytest.fixture
def ana(cast: Cast) -> Membership:
    with db.transaction():
        return make_earner(cast.programme)


def typed(cast: Cast, **more: str) -> dict[str, str]:
    return {"programme_id": cast.programme.id, "advocate": "Ana.Advocate@example.org", **more}


def how_many() -> int:
    with db.transaction(read_only=True):
        return db.session().exec(select(func.count(col(Link.id)))).one()


def test_manager_opens_a_link_that_the_audit_log_knows(
    cast: Cast, client: FlaskClient, ana: Membership
) -> None:
    sign_in(client, cast.manager)
    assert f'href="{PAGE}"' in client.get("/console/links").text
    last = (now().date() + timedelta(days=30)).isoformat()
    given = typed(
        cast, code="Spring", coupon="spring5", campaign="fair", destination="https://shop.example/s"
    )
    answer = client.post(PAGE, data=given | {"ends": last})
    with db.transaction(read_only=True):
        link = find_link("spring")
        assert link is not None
        entry = db.session().exec(select(AuditEntry).where(AuditEntry.object_id == link.id)).one()
    assert (answer.status_code, answer.location) == (303, f"/console/links/{link.id}")
    assert (link.membership_id, link.coupon, link.campaign) == (ana.id, "SPRING5", "fair")
    assert link.destination == "https://shop.example/s"
    assert link.ends_at is not None
    assert (entry.action, entry.actor_id) == ("link.opened", cast.manager.id)
    assert "/r/spring" in client.get(answer.location).text


def test_only_the_advocate_has_to_be_named_and_a_number_names_one(
    cast: Cast, client: FlaskClient, ana: Membership
) -> None:
    sign_in(client, cast.manager)
    before = how_many()
    for who in ("ana.advocate@example.org", f"#{ana.number}"):
        assert client.post(PAGE, data=typed(cast, advocate=who)).status_code == 303
    assert how_many() == before + 2


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("advocate", "nobody@example.org"),
        ("advocate", "tina.trainee@example.org"),
        ("code", "taken"),
        ("code", "taken2"),
        ("code", "tak3n!"),
        ("coupon", "TAKEN10"),
        ("campaign", "summer"),
        ("destination", "https://evil.example/"),
        ("ends", "2001-01-01"),
    ],
)
def test_what_an_import_refuses_is_refused_with_the_same_sentence(
    cast: Cast, client: FlaskClient, ana: Membership, column: str, value: str
) -> None:
    with db.transaction():
        make_advocate(cast.programme, "Tina Trainee")
        other = make_earner(cast.programme, "Bea Other")
        make_link(other, "taken", coupon="TAKEN10")
        make_link(other, "taken2")
        make_link(ana, "ana2", campaign="summer")
    row = {"advocate": "ana.advocate@example.org", column: value}
    table = ",".join(row) + "\n" + ",".join(row.values())
    with db.transaction(read_only=True):
        [judged] = dry_run(cast.programme, table).rows
    before = how_many()
    answer = sign_in(client, cast.manager).post(PAGE, data=typed(cast, **row))
    assert judged.outcome in {"wrong", "there"}
    assert answer.status_code in {409, 422}
    assert judged.sentence.removeprefix(f"{column}: ") in answer.text
    assert f'value="{value}"' in answer.text
    assert how_many() == before


def test_a_link_is_opened_where_one_manages_links(cast: Cast, app: Flask, ana: Membership) -> None:
    before = how_many()
    answers = {
        person.name: (browser.get(PAGE).status_code, browser.post(PAGE, data=typed(cast)).status_code)
        for person in (cast.stranger, cast.other_manager, cast.finance)
        for browser in [sign_in(app.test_client(), person)]
    }
    assert answers == {"Stran Ger": (403, 403), "Otto South": (200, 404), "Fina Ledger": (403, 403)}
    assert how_many() == before
