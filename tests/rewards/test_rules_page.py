"""The page of the reward rules: a new version from now on, refused in a sentence, by those who manage the programme."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlmodel import col, select
from werkzeug.test import TestResponse

from advocates.tiers import Tier
from core.access import COMMAND
from core.audit import AuditEntry
from core.clock import at, now
from core.db import session, transaction
from hub.programmes import Programme
from rewards.grants import grant_for_conversion
from rewards.rule_form import NewVersion, typed_for
from rewards.rules import rules
from rewards.rules.rules import RewardRule, Terms
from tests.at_once import at_once
from tests.factories import Cast, make_advocate, sign_in
from tests.rewards.stories import percent_rule, sale

PAGE = "/console/rewards/rules"


def typed(
    programme: Programme, trigger: str = "sale", pays: str = "percent", value: str = "10"
) -> dict[str, str]:
    return {"programme_id": programme.id, "trigger": trigger, "pays": pays, "value": value}


def begin(client: FlaskClient, asked: Mapping[str, object]) -> TestResponse:
    """Look at the effect, then begin what was shown."""
    shown = client.post(PAGE, data={**asked, "act": "show"})
    seen = re.search(r'name="seen" value="(\d+)"', shown.text)
    assert seen is not None, shown.text
    of = re.search(r'name="shown" value="(\w+)"', shown.text)
    assert of is not None
    return client.post(PAGE, data={**asked, "act": "begin", "seen": seen[1], "shown": of[1]})


def as_shown(asked: Mapping[str, object]) -> str:
    return NewVersion.model_validate({name: value for name, value in asked.items() if value != ""}).as_shown


def says(programme: Programme, trigger: rules.Trigger = "sale") -> list[str]:
    with transaction(read_only=True):
        return [rules.sentence(each) for each in rules.rules_at(programme.id, trigger, now())]


def test_first_rule_and_its_next_version_are_written_on_the_page(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.manager)
    assert "Write the first rule" in client.get(PAGE).text
    begin(client, typed(cast.programme))
    first = client.get(PAGE)
    assert "Makers, from now on: 10 % of each sale." in first.text
    begin(client, typed(cast.programme, value="12.5"))
    second = client.get(PAGE)
    assert "Makers, from now on: 12.5 % of each sale. Until now: 10 % of each sale." in second.text
    assert says(cast.programme) == ["12.5 % of each sale"]
    with transaction(read_only=True):
        entries = (
            session()
            .exec(select(AuditEntry).where(AuditEntry.action == "rule.changed").order_by(col(AuditEntry.seq)))
            .all()
        )
    assert {(each.actor_id, each.unit_id) for each in entries} == {(cast.manager.id, cast.north.id)}
    assert len(entries) == 2


@pytest.mark.parametrize(
    ("trigger", "pays", "value", "sentence"),
    [
        ("lead", "money", "2.50", "€2.50 for each lead"),
        ("certification", "points", "50", "50 points for each certification"),
        ("sale", "percent", "0.01", "0.01 % of each sale"),
    ],
)
def test_each_kind_of_rule(
    client: FlaskClient, cast: Cast, trigger: rules.Trigger, pays: str, value: str, sentence: str
) -> None:
    sign_in(client, cast.hub_admin)
    assert begin(client, typed(cast.programme, trigger, pays, value)).status_code == 303
    assert says(cast.programme, trigger) == [sentence]


@pytest.mark.parametrize(
    ("trigger", "pays", "value", "sentence"),
    [
        ("certification", "percent", "10", "Only leads and sales have an amount"),
        ("sale", "percent", "0", "A rule is either"),
        ("sale", "percent", "100.01", "A rule is either"),
        ("sale", "percent", "0.001", "A rule is either"),
        ("sale", "money", "0", "A rule is either"),
        ("sale", "money", "0.001", "more decimals than its currency"),
        ("sale", "points", "1.5", "more decimals than its currency"),
        ("sale", "money", "NaN", "f-value-error"),
        ("sale", "money", "1" * 40, "f-value-error"),
        ("sale", "money", "", "f-value-error"),
        ("click", "money", "1", "f-trigger-error"),
        ("sale", "shares", "1", "f-pays-error"),
    ],
)
def test_what_cannot_be_a_rule_is_refused_in_the_form(
    client: FlaskClient, cast: Cast, trigger: str, pays: str, value: str, sentence: str
) -> None:
    answer = sign_in(client, cast.manager).post(PAGE, data=typed(cast.programme, trigger, pays, value))
    assert answer.status_code == 422
    assert sentence in answer.text
    assert f'value="{value}"' in answer.text
    assert says(cast.programme) == []


@pytest.mark.parametrize("pays", ["percent", "money"])
def test_programme_that_pays_nobody_has_no_rule_of_money(client: FlaskClient, cast: Cast, pays: str) -> None:
    sign_in(client, cast.other_manager)
    answer = client.post(PAGE, data=typed(cast.other_programme, pays=pays))
    assert answer.status_code == 422
    assert "Only a programme that pays cash" in answer.text
    assert begin(client, typed(cast.other_programme, pays="points")).status_code == 303


def test_only_those_who_manage_the_programme_change_its_rules(app: Flask, cast: Cast) -> None:
    body = {**typed(cast.programme), "shown": as_shown(typed(cast.programme))}
    answers = {
        person.name: (
            browser.get(PAGE).status_code,
            browser.post(PAGE, data={**body, "act": "begin", "seen": "0"}).status_code,
        )
        for person in (cast.stranger, cast.other_manager, cast.marketing, cast.finance, cast.manager)
        for browser in [sign_in(app.test_client(), person)]
    }
    assert answers == {
        "Stran Ger": (403, 403),
        "Otto South": (200, 404),
        "Marc Etting": (403, 403),
        "Fina Ledger": (200, 403),
        "Mara North": (200, 303),
    }
    assert "Change a rule" not in sign_in(app.test_client(), cast.finance).get(PAGE).text
    assert "Makers" not in sign_in(app.test_client(), cast.other_manager).get(PAGE).text


def test_before_it_is_saved_it_shows_what_it_would_have_done_last_month(
    client: FlaskClient, cast: Cast
) -> None:
    with transaction():
        percent_rule(cast.programme)
        ana = make_advocate(cast.programme)
        sale(ana, 12_900)
        sale(ana, 10_000)
        sale(ana, 1_000, "JPY")
        sale(ana, 99_900, when=now() - timedelta(days=40))
    with at(now() + timedelta(days=31)):
        sign_in(client, cast.manager)
        page = client.post(PAGE, data={**typed(cast.programme, value="12.5"), "act": "show"})
        assert page.status_code == 200
        for said in ("12.5 % of each sale", "Until now: 10 % of each sale", "Nothing is saved yet"):
            assert said in page.text, said
        # 10 % of 129.00 and 100.00, and 12.5 % of them, each rounded half to even; ¥1,000 apart from them.
        for said in ("€22.90", "€28.62", "€5.72", "¥100", "¥125", "¥25"):
            assert said in page.text, said
        assert "€99.90" not in page.text  # a month before
        assert says(cast.programme) == ["10 % of each sale"]
        begun = begin(client, typed(cast.programme, value="12.5"))
        assert begun.status_code == 303
        assert says(cast.programme) == ["12.5 % of each sale"]


def test_nothing_is_begun_that_was_not_shown_or_that_somebody_overtook(
    client: FlaskClient, cast: Cast
) -> None:
    sign_in(client, cast.manager)
    unseen = client.post(PAGE, data={**typed(cast.programme), "act": "begin"})
    assert (unseen.status_code, "Nothing is saved yet" in unseen.text) == (200, True)
    shown = as_shown(typed(cast.programme))
    other = {**typed(cast.programme, value="77"), "act": "begin", "seen": "0", "shown": shown}
    assert (client.post(PAGE, data=other).status_code, says(cast.programme)) == (200, [])
    assert begin(client, typed(cast.programme)).status_code == 303
    for _ in range(5):
        dearer = typed(cast.programme, value="20")
        again = client.post(PAGE, data={**dearer, "act": "begin", "seen": "0", "shown": as_shown(dearer)})
        assert again.status_code == 409
    assert "Somebody began another version since you looked" in again.text
    assert says(cast.programme) == ["10 % of each sale"]


def test_two_who_begin_at_once_make_one_version(cast: Cast) -> None:
    def start() -> int:
        with transaction():
            terms = Terms("percent", rate_basis_points=1_000)
            return rules.change_rule(cast.programme, "sale", terms, by=COMMAND, seen=0).version

    told = at_once(start, start)
    assert sorted(str(each) if isinstance(each, int) else type(each).__name__ for each in told) == [
        "1",
        "RuleChanged",
    ]


def test_what_cannot_be_a_rule_is_refused_before_it_is_shown(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.manager)
    refused = client.post(PAGE, data={**typed(cast.programme, "certification"), "act": "show"})
    assert refused.status_code == 422
    assert "Only leads and sales have an amount" in refused.text
    sign_in(client, cast.other_manager)
    strange = client.post(PAGE, data={**typed(cast.programme), "act": "show"})
    assert strange.status_code in {403, 404}


def test_conditions_are_written_on_the_page_shown_in_their_effect_and_begun_as_they_were_shown(
    client: FlaskClient, cast: Cast
) -> None:
    with transaction():
        percent_rule(cast.programme)
        ana = make_advocate(cast.programme)
        for sku, minor in (("PRO-1", 10_000), ("BOOK", 10_000), ("BOOK", 10_000)):
            sale(ana, minor).lines = [{"sku": sku, "amount_minor": minor}]
    asked = {
        **typed(cast.programme, value="10"), "products": "PRO-* 20\r\nBOOK 5%", "without": "tax",
        "cap": "22.50", "cap_period": "year", "first_months": "",
    }  # fmt: skip
    said = "10 % of each sale; 20 % for PRO-*; 5 % for BOOK; without tax; at most €22.50 a year"
    with at(now() + timedelta(days=31)):
        sign_in(client, cast.manager)
        page = client.post(PAGE, data={**asked, "act": "show"})
        # 20.00, 5.00, 5.00 in the order of the sales, of which the cap leaves 22.50; it was 30.00.
        for shown in (said, "€30.00", "€22.50", "\nPRO-* 20\r\nBOOK 5%</textarea>"):
            assert shown in page.text, shown
        assert says(cast.programme) == ["10 % of each sale"]
        assert begin(client, asked).status_code == 303
        assert says(cast.programme) == [said]
        assert "Mara North" in client.get(PAGE).text


def test_a_recurring_rule_is_shown_with_what_it_would_have_changed_of_sales(
    client: FlaskClient, cast: Cast
) -> None:
    with transaction():
        percent_rule(cast.programme)
        ana = make_advocate(cast.programme)
        for ago in (2, 1):
            sale(ana, 10_000, when=now() - timedelta(hours=ago)).customer_id = "c-1"
    with at(now() + timedelta(days=31)):
        sign_in(client, cast.manager)
        asked = {**typed(cast.programme, "recurring", value="4"), "first_months": "12", "act": "show"}
        page = client.post(PAGE, data=asked)
    for shown in (
        "4 % of each recurring sale; in a customer&#39;s first 12 months",
        "€10.00",
        "€4.00",
        "-€6.00",
    ):
        assert shown in page.text, shown


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"products": "PRO-*"}, "Write a line for each, and what it gets"),
        ({"products": "PRO-* NaN"}, "Write a line for each, and what it gets"),
        ({"products": "PRO-* 101"}, "Rates are up to 100 %"),
        ({"products": "A 1\nA 2"}, "countries and milestones are named once"),
        ({"first_months": "3"}, "months a recurring sale"),
        ({"first_months": "121"}, "f-first_months-error"),
        ({"without": "sugar"}, "f-without"),
        ({"cap": "0.001"}, "more decimals than its currency"),
        ({"customer_coupon": "A", "customer_credit": "1"}, "one thing at most"),
        ({"customer_coupon": "A B"}, "f-customer_coupon-error"),
        ({"trigger": "recurring", "customer_credit": "1"}, "a gift a lead or a sale"),
        ({"cap_period": "day"}, "f-cap_period-error"),
        ({"pays": "points", "value": "5", "without": "tax"}, "what is left out needs a percentage"),
    ],
)
def test_conditions_that_cannot_be_are_refused_in_a_sentence(
    client: FlaskClient, cast: Cast, more: dict[str, str], sentence: str
) -> None:
    answer = sign_in(client, cast.manager).post(PAGE, data={**typed(cast.programme), **more})
    assert answer.status_code == 422
    assert sentence in answer.text
    assert says(cast.programme) == []


EVERYTHING = [
    (
        {
            "trigger": "sale", "pays": "percent", "value": "12.5", "products": "PRO-* 20\nBOOK 5.25", "countries": "DE 11",
            "tiers": "Gold 15", "without": ["tax", "discount"], "exchanged": "True", "cap": "22.50",
            "cap_period": "year", "customer_coupon": "HELLO",
        },
        (
            "12.5 % of each sale; 20 % for PRO-*; 5.25 % for BOOK; 15 % for the tier Gold; 11 % for advocates in DE; "
            "without tax; before discount; paid in EUR; at most €22.50 a year; the customer gets the coupon HELLO"
        ),
    ),
    (
        {"trigger": "recurring", "pays": "money", "value": "2.05", "products": "PRO-1 3.00", "first_months": "12"},
        "€2.05 for each recurring sale; €3.00 for each PRO-1; in a customer's first 12 months",
    ),
    (
        {"trigger": "lead", "pays": "points", "value": "50", "cap": "500", "cap_period": "quarter", "customer_credit": "5.00"},
        "50 points for each lead; at most 500 points a quarter; the customer gets a credit of €5.00",
    ),
    (
        {"trigger": "milestone", "pays": "money", "value": "25.00", "milestones": "100.50 2000.00", "milestone_counts": "revenue"},
        "€25.00 for €100.50 of sales and €2,000.00 of sales",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "said"), EVERYTHING)
def test_the_next_version_begins_with_all_that_the_one_in_force_says(
    client: FlaskClient, cast: Cast, asked: dict[str, Any], said: str
) -> None:
    with transaction():
        session().add(Tier(programme_id=cast.programme.id, name="Gold", place=1, at_least=1))
    sign_in(client, cast.manager)
    begin(client, {"programme_id": cast.programme.id, **asked})
    trigger = asked["trigger"]
    assert says(cast.programme, trigger) == [said]
    with transaction(read_only=True):
        (rule,) = rules.rules_at(cast.programme.id, trigger, now())
        typed_again = typed_for(rule, cast.programme)
    page = client.get(PAGE, query_string={"rule": rule.id}).text
    assert re.search(rf'name="value" type="text" value="{re.escape(asked["value"])}"', page)
    assert asked.get("products", "") in page
    begin(client, {name: value for name, value in typed_again.items() if value})
    assert says(cast.programme, trigger) == [said]
    with transaction(read_only=True):
        (again,) = rules.rules_at(cast.programme.id, trigger, now())
        assert (again.version, again.conditions) == (2, rule.conditions)


def test_a_rule_that_is_ended_earns_nothing_more_and_can_be_begun_anew(
    app: Flask, client: FlaskClient, cast: Cast
) -> None:
    with transaction():
        rule_id = percent_rule(cast.programme).id
    end = f"{PAGE}/{rule_id}/end"
    refused = [
        sign_in(app.test_client(), each).post(end).status_code for each in (cast.other_manager, cast.finance)
    ]
    assert refused == [404, 403]
    sign_in(client, cast.manager)
    assert client.post(end).status_code == 303
    assert "Makers, ended: 10 % of each sale." in client.get(PAGE).text
    assert client.post(end).status_code == 409
    with transaction():
        assert grant_for_conversion(sale(make_advocate(cast.programme)).id) == []
        ended = session().get_one(RewardRule, rule_id).valid_to
        assert session().exec(select(AuditEntry).where(AuditEntry.action == "rule.ended")).one()
    assert says(cast.programme) == []
    begin(client, typed(cast.programme, value="12"))
    assert says(cast.programme) == ["12 % of each sale"]
    with transaction(read_only=True):
        assert session().get_one(RewardRule, rule_id).valid_to == ended
