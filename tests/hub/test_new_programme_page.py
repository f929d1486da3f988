"""Founding a programme on its page, from an empty hub on."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlmodel import select

from core.access import COMMAND
from core.audit import AuditEntry
from core.clock import now
from core.db import session, transaction
from core.settings import Settings
from hub.programmes import Programme, find_programme
from hub.roles import current_roles, end_role
from hub.units import create_unit
from tests.factories import Cast, make_staff, sign_in

PAGE = "/console/settings/programmes/new"


def typed(cast: Cast, **changes: str) -> dict[str, str]:
    return {
        "unit_id": cast.north.id,
        "name": "Bakers' Circle",
        "slug": "bakers",
        "time_zone": "Europe/Vienna",
        "currency": "EUR",
        "compensation": "cash",
        "minimum_age": "16",
        "attribution_rule": "split",
        "attribution_days": "45",
        "hold_days": "14",
        "payout_schedule": "weekly",
        "payout_day": "5",
        "payout_minimum": "20.50",
        "home_url": "https://Bakers.example",
        "allowed_hosts": "bakers.example\nSHOP.bakers.example:8443",
        "second_owner": "Fina.Ledger@example.org",
        **changes,
    }


def founded() -> Programme | None:
    with transaction(read_only=True):
        return find_programme("bakers")


def test_manager_founds_a_programme_of_their_unit(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.manager)
    assert f'href="{PAGE}"' in client.get("/console/settings").text
    answer = client.post(PAGE, data=typed(cast))
    made = founded()
    assert made is not None
    assert answer.location == f"/console/settings/programmes/{made.id}"
    assert made.owner_ids == [cast.manager.id, cast.finance.id]
    assert (made.unit_id, made.name, made.time_zone) == (cast.north.id, "Bakers' Circle", "Europe/Vienna")
    assert (made.compensation, made.currency, made.minimum_age, made.hold_days) == ("cash", "EUR", 16, 14)
    assert (made.payout_schedule, made.payout_day, made.payout_minimum_minor) == ("weekly", 5, 2_050)
    assert (made.attribution_rule, made.attribution_days) == ("split", 45)
    assert made.four_eyes_above_minor == 100_000
    assert not made.open_to_applications, "nobody applies before its policies and rules are written"
    assert made.home_url == "https://bakers.example/"
    assert made.allowed_hosts == ["bakers.example", "shop.bakers.example:8443"]
    assert "Write its policies" in client.get(answer.location).text
    with transaction(read_only=True):
        entries = select(AuditEntry).where(AuditEntry.action == "programme.created")
        entry = session().exec(entries.where(AuditEntry.object_id == made.id)).one()
        assert (entry.actor_id, entry.unit_id) == (cast.manager.id, cast.north.id)


def test_from_an_empty_hub_to_its_first_programme(app: Flask, settings: Settings, wired: None) -> None:
    with transaction():
        hub = create_unit("hub", "Hub", parent=None)
        admin = make_staff("Hanna Admin", "hub_admin", hub)
        make_staff("Mara North", "manager", hub)
    browser = sign_in(app.test_client(), admin)
    empty = browser.get("/console/settings").text
    assert "No programme yet" in empty
    assert f'href="{PAGE}"' in empty
    page = browser.get(PAGE).text
    assert f'value="{hub.id}"' in page
    data = typed_for(hub.id)
    assert browser.post(PAGE, data=data | {"four_eyes_above": "250"}).status_code == 303
    made = founded()
    assert made is not None
    assert made.four_eyes_above_minor == 25_000
    assert browser.get("/apply/bakers").status_code == 200


def typed_for(unit_id: str) -> dict[str, str]:
    return {
        "unit_id": unit_id,
        "name": "Bakers",
        "slug": "bakers",
        "time_zone": "UTC",
        "currency": "EUR",
        "compensation": "recognition",
        "minimum_age": "18",
        "attribution_rule": "last_touch",
        "attribution_days": "30",
        "hold_days": "30",
        "payout_schedule": "monthly",
        "payout_day": "1",
        "payout_minimum": "0",
        "home_url": "https://bakers.example/",
        "allowed_hosts": "bakers.example",
        "second_owner": "mara.north@example.org",
    }


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("time_zone", "Mars/Olympus", "This time zone is not known."),
        ("currency", "XQX", "This currency is not known."),
        ("currency", "euro", "f-currency-error"),
        ("compensation", "gold", "f-compensation-error"),
        ("minimum_age", "3", "f-minimum_age-error"),
        ("hold_days", "-1", "f-hold_days-error"),
        ("attribution_rule", "luck", "f-attribution_rule-error"),
        ("attribution_days", "0", "f-attribution_days-error"),
        ("attribution_days", "366", "f-attribution_days-error"),
        ("payout_day", "8", "payout day is a day"),
        ("payout_minimum", "0.001", "more decimals than its currency"),
        ("payout_minimum", "NaN", "f-payout_minimum-error"),
        ("home_url", "ftp://bakers.example/", "full address"),
        ("home_url", "javascript://bakers.example/", "full address"),
        ("home_url", "https://elsewhere.example/", "must be on one of the allowed hosts"),
        ("allowed_hosts", "", "f-allowed_hosts-error"),
        ("allowed_hosts", "bakers.example localhost:abc", "“localhost:abc” is no host."),
        ("slug", "makers", "already a programme with this short name"),
        ("slug", "B a", "f-slug-error"),
        ("second_owner", "nobody@example.org", "No colleague in this unit has this address."),
        ("second_owner", "stran.ger@example.org", "No colleague in this unit has this address."),
        ("second_owner", "mara.north@example.org", "needs two different owners"),
        ("second_owner", "nobody", "f-second_owner-error"),
    ],
)
def test_what_cannot_be_is_refused_in_the_form(
    client: FlaskClient, cast: Cast, field: str, value: str, sentence: str
) -> None:
    answer = sign_in(client, cast.manager).post(PAGE, data=typed(cast, **{field: value}))
    assert answer.status_code == (409 if value == "makers" else 422)
    assert sentence in answer.text
    assert "Bakers&#39; Circle" in answer.text
    assert founded() is None


@pytest.mark.parametrize("gone", ["disabled", "without a role"])
def test_second_owner_is_a_colleague_who_is_still_here(client: FlaskClient, cast: Cast, gone: str) -> None:
    with transaction():
        if gone == "disabled":
            cast.finance.disabled_at = now()
            session().add(cast.finance)
        else:
            end_role(current_roles(cast.finance.id)[0], by=COMMAND)
    answer = sign_in(client, cast.manager).post(PAGE, data=typed(cast))
    assert "No colleague in this unit has this address." in answer.text


def test_nobody_founds_a_programme_where_they_manage_none(app: Flask, cast: Cast) -> None:
    answers = {
        person.name: (browser.get(PAGE).status_code, browser.post(PAGE, data=typed(cast)).status_code)
        for person in (cast.stranger, cast.other_manager, cast.marketing, cast.finance)
        for browser in [sign_in(app.test_client(), person)]
    }
    assert answers == {
        "Stran Ger": (403, 403),
        "Otto South": (200, 404),
        "Marc Etting": (403, 403),
        "Fina Ledger": (403, 403),
    }
    assert "North" not in sign_in(app.test_client(), cast.other_manager).get(PAGE).text.split("<form")[-1]
    assert PAGE not in sign_in(app.test_client(), cast.finance).get("/console/settings").text
    assert founded() is None


def test_manager_does_not_choose_the_sum_of_four_eyes(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.manager)
    assert 'name="four_eyes_above"' not in client.get(PAGE).text
    answer = client.post(PAGE, data=typed(cast, four_eyes_above="9999999"))
    assert answer.status_code == 403
    assert "Only finance or a hub admin" in answer.text
    assert client.post(PAGE, data=typed(cast, four_eyes_above="1000")).status_code == 303
