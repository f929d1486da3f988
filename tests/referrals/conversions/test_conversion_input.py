"""What of an amount was tax, shipping and discount; and that what was stored before is still known by its hash."""

from typing import Any

import pytest
from pydantic import ValidationError

from core.access import COMMAND
from core.db import transaction
from core.inputs import refuse
from referrals.conversions.conversion_input import NewConversion, content_hash
from referrals.conversions.import_reading import read_file
from referrals.conversions.won import won_of
from rewards.grants import grant_for_conversion
from rewards.rules import rules
from rewards.rules.conditions import Conditions, ProductRate
from rewards.rules.rules import Terms
from tests.factories import Cast
from tests.referrals.stories import bring, make_earner, make_link
from tests.rewards.stories import LONG_AGO

KNOWN = {
    "external_id": "order-1042", "kind": "sale", "occurred_at": "2026-11-02T10:15:00Z", "code": "ana",
    "amount_minor": 12_900, "currency": "EUR", "customer": {"external_id": "c-77"},
    "lines": [{"sku": "BOOK", "amount_minor": 12_900}],
}  # fmt: skip
HASH_OF_BEFORE = "85ec6db0ff0d39cb791b7ed97f5dbc987803ee3514b5fb1184e9ad5fd08cbce1"


def test_orders_that_were_stored_before_keep_their_hash_and_new_parts_are_content() -> None:
    def told(**more: Any) -> str:  # noqa: ANN401 - any JSON
        return content_hash(NewConversion.model_validate({**KNOWN, **more}))

    assert told() == told(tax_minor=0) == told(discount_minor=None) == HASH_OF_BEFORE
    assert len({told(), told(tax_minor=1), told(shipping_minor=1), told(discount_minor=1)}) == 4


def test_what_is_no_plain_value_of_the_metadata_is_refused_in_one_sentence() -> None:
    plain = {"text": "a" * 500, "whole": 1, "part": 1.5, "yes": True, "none": None}
    assert NewConversion.model_validate({**KNOWN, "metadata": plain}).metadata == plain
    for value in ({"b": 1}, [1], "a" * 501):
        with pytest.raises(ValidationError) as refused:
            NewConversion.model_validate({**KNOWN, "metadata": {"a": value}})
        assert refuse(refused.value).problems == {
            "metadata.a": "Has to be text of up to 500 characters, a number, true, false or null."
        }


def test_a_rule_rewards_without_tax_and_shipping_what_a_shop_brought(cast: Cast) -> None:
    asked = Conditions((ProductRate("PRO-*", 2_000),), ("tax", "shipping"))
    with transaction():
        terms = Terms("percent", rate_basis_points=1_000, conditions=asked)
        rules.change_rule(cast.programme, "sale", terms, by=COMMAND, valid_from=LONG_AGO)
        make_link(make_earner(cast.programme), "ana")
        lines = [{"sku": "PRO-1", "amount_minor": 8_000}, {"sku": "BOOK", "amount_minor": 2_340}]
        made = bring(
            cast.north.id, code="ana", amount_minor=12_900, tax_minor=2_060, shipping_minor=500, lines=lines
        )
        (won,) = won_of([made.id])
        assert (won.bought.tax_minor, won.bought.shipping_minor, len(won.bought.lines)) == (2_060, 500, 2)
        (reward,) = grant_for_conversion(made.id)
        assert (reward.base_minor, reward.amount_minor) == (10_340, 1_834)
        assert reward.arithmetic == (
            "€129.00 less €20.60 tax, less €5.00 shipping = €103.40; "
            "20 % of €80.00 for PRO-* and 10 % of €23.40 = €18.34 (sale rule, version 1)"
        )


def test_files_may_say_tax_shipping_and_discount() -> None:
    raw = (
        b"order,at,amount,currency,code,tax,shipping,discount\n"
        b"A-1,2026-11-02T10:15:00Z,129.00,eur,ana,20.60,5.00,\n"
        b"A-2,2026-11-02T10:15:00Z,129.00,EUR,ana,130.00,,1.00\n"
    )
    good, bad = read_file(raw, "conversions")
    assert good.said is not None
    assert (good.said["tax_minor"], good.said["shipping_minor"], good.said["discount_minor"]) == (
        2_060,
        500,
        None,
    )
    assert "parts of amount" in bad.problem
