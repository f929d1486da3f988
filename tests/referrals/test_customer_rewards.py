"""Double-sided rules: the customer gets something, once, and the shop and the console read what."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlmodel import select

from core.access import COMMAND
from core.db import session, transaction
from core.money import Money
from rewards.rules import rules
from rewards.rules.conditions import Conditions
from rewards.rules.customer_rewards import CustomerReward
from rewards.rules.rules import ConditionsDoNotFit, Terms
from tests.factories import Cast, sign_in
from tests.referrals.stories import make_earner, make_link, order
from tests.rewards.stories import LONG_AGO

Machine = Callable[..., FlaskClient]
COUPON = Conditions(customer_coupon="WELCOME10")
CREDIT = Conditions(customer_credit_minor=500, customer_currency="EUR")


def rule(cast: Cast, conditions: Conditions) -> None:
    with transaction():
        terms = Terms("percent", rate_basis_points=1_000, conditions=conditions)
        rules.change_rule(cast.programme, "sale", terms, by=COMMAND, valid_from=LONG_AGO)
        make_link(make_earner(cast.programme), "ana")


def test_the_shop_reads_what_its_customer_gets_and_each_gets_it_once(machine: Machine, cast: Cast) -> None:
    rule(cast, COUPON)
    shop = machine(cast.north)
    said = {"coupon": "WELCOME10", "amount_minor": 0, "currency": ""}

    def told(**changes: object) -> object:
        answer = shop.post("/api/v1/conversions", json=order(code="ana", **changes))
        assert answer.status_code in {200, 201}, answer.text
        return answer.get_json()["customer_reward"]

    first = order(code="ana", customer={"external_id": "c-1"})
    assert shop.post("/api/v1/conversions", json=first).get_json()["customer_reward"] == said
    assert shop.post("/api/v1/conversions", json=first).get_json()["customer_reward"] == said  # told again
    assert told(customer={"external_id": "c-1"}) is None
    assert told(customer={"external_id": "c-2"}) == said
    assert told() == said  # a guest
    with transaction(read_only=True):
        assert len(session().exec(select(CustomerReward.id)).all()) == 3


def test_a_credit_stands_on_the_page_of_the_reward(machine: Machine, client: FlaskClient, cast: Cast) -> None:
    rule(cast, CREDIT)
    answer = machine(cast.north).post("/api/v1/conversions", json=order(code="ana")).get_json()
    assert answer["customer_reward"] == {"coupon": "", "amount_minor": 500, "currency": "EUR"}
    page = f"/console/rewards/{answer['reward']['id']}"
    assert "The customer gets a credit of €5.00." in sign_in(client, cast.manager).get(page).text
    for somebody in (cast.stranger, cast.other_manager):
        assert sign_in(client, somebody).get(page).status_code in {403, 404}


@pytest.mark.parametrize("trigger", ["recurring", "certification"])
def test_only_leads_and_sales_have_a_customer_to_give_to(cast: Cast, trigger: rules.Trigger) -> None:
    with transaction(), pytest.raises(ConditionsDoNotFit):
        rules.change_rule(
            cast.programme, trigger, Terms("flat", flat=Money(1, "EUR"), conditions=COUPON), by=COMMAND
        )
