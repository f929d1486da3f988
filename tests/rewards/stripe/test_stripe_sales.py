"""Sales that Stripe tells, at a real local Stripe: late, twice, out of order, beside the API."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlmodel import select

from advocates.membership import Membership
from core.access import COMMAND
from core.clock import at, now
from core.db import session, transaction
from core.ids import new_id
from core.money import Money
from core.people import get_person
from hub import metrics
from referrals.conversions import conversions
from referrals.conversions.conversions import Conversion
from referrals.fraud import fraud_work
from rewards.rules.conditions import Conditions
from rewards.rules.rules import Terms, change_rule
from rewards.stripe import stripe_event_rows, stripe_events
from tests.at_once import at_once
from tests.factories import Cast
from tests.referrals.fraud_stories import signals_of
from tests.referrals.stories import bring, give_back, make_earner, make_link
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stories import LONG_AGO
from tests.rewards.stripe.shop import Shop, bought, earned, every, left_lying, refunds, token, told


def test_a_paid_session_is_a_sale_of_whose_link_was_clicked(ana: Membership, cast: Cast, shop: Shop) -> None:
    paid = shop.sells(sent={"metadata[spk]": token(), "metadata[order_id]": "A-1"})
    assert told("checkout.session.completed", paid) == "recorded; nothing to take off"
    (sale,) = every()
    assert (sale.external_id, sale.amount_minor, sale.currency) == ("A-1", 12_900, "EUR")
    assert (sale.membership_id, sale.unit_id, sale.earning_unit_id) == (ana.id, cast.hub.id, cast.north.id)
    assert sale.reason.startswith("won: last click on ana")
    assert (sale.details["stripe"], sale.details["email_domain"]) == (paid["id"], "example.org")
    card = shop.charge(paid)["payment_method_details"]["card"]
    assert sale.details["card_fingerprint"] == card["fingerprint"]
    assert earned(sale) == 1_290


def test_the_token_or_the_code_may_be_told_in_each_of_these_places(ana: Membership, shop: Shop) -> None:
    said = {
        "client_reference_id": token().replace(".", "_"),
        "metadata[spokes_code]": "ANA",
        "metadata[spk]": token(),
    }
    for where, what in said.items():
        told("checkout.session.completed", shop.sells(sent={where: what}))
    assert [each.membership_id for each in every()] == [ana.id] * 3


def test_the_base_is_without_tax_and_shipping(ana: Membership, shop: Shop) -> None:
    rate = "shipping_options[0][shipping_rate_data]"
    sent = {
        f"{rate}[display_name]": "Parcel", f"{rate}[type]": "fixed_amount", f"{rate}[fixed_amount][amount]": "500",
        f"{rate}[fixed_amount][currency]": "eur", "automatic_tax[enabled]": "true", "metadata[spk]": token(),
    }  # fmt: skip
    paid = shop.sells(10_000, sent=sent)
    assert paid["amount_total"] == 12_500
    told("checkout.session.completed", paid)
    told("charge.refunded", shop.refunds(paid, 6_250))
    (sale,) = every()
    assert (sale.amount_minor, sale.refunded_minor) == (10_000, 5_000)


def test_money_is_in_the_currencys_own_minor_units(ana: Membership, shop: Shop) -> None:
    for currency, amount in (("jpy", 1_200), ("kwd", 12_340), ("isk", 120_000)):
        told("checkout.session.completed", shop.sells(amount, currency, sent={"metadata[spk]": token()}))
    assert [(each.amount_minor, each.currency) for each in every()] == [
        (1_200, "JPY"),
        (12_340, "KWD"),
        (1_200, "ISK"),
    ]


def test_a_sale_that_names_nobody_is_not_kept(ana: Membership, shop: Shop) -> None:
    paid = shop.sells(sent={"client_reference_id": "cart-77"})
    assert told("checkout.session.completed", paid) == "names no advocate of ours"
    assert told("charge.refunded", shop.refunds(paid, 100)) == "of no sale that we know"
    assert every() == []


def test_a_forged_token_is_kept_with_its_reason_and_earns_nothing(ana: Membership, shop: Shop) -> None:
    ours = token()
    forged = ours[:-1] + ("B" if ours.endswith("A") else "A")
    told("checkout.session.completed", shop.sells(sent={"metadata[spk]": forged}))
    (sale,) = every()
    assert (sale.membership_id, sale.reason) == (None, "nobody's: token not ours")


def test_a_session_that_is_not_paid_waits_for_the_event_that_says_so(
    ana: Membership, shop: Shop, stripe: LocalStripe
) -> None:
    made = stripe.api(
        "checkout/sessions",
        **{
            "mode": "payment", "success_url": "http://shop.test/", "metadata[spk]": token(),
            "line_items[0][price_data][currency]": "eur", "line_items[0][price_data][unit_amount]": "500",
            "line_items[0][price_data][product_data][name]": "x",
        },
    )  # fmt: skip
    assert told("checkout.session.completed", {**made, "payment_status": "paid"}) == "not paid (yet)"
    paid = stripe.order(f"checkout/{made['id']}/pay")
    told("checkout.session.async_payment_succeeded", paid)
    assert len(every()) == 1


def test_what_an_event_says_is_not_believed(ana: Membership, shop: Shop) -> None:
    assert told("checkout.session.completed", {"id": "cs_test_nowhere", "payment_status": "paid"}) == (
        "Stripe does not know it (any more)"
    )
    for odd in ({}, {"id": None}, {"payment_intent": {"id": 5}}):
        told("charge.refunded", odd)
    assert every() == []


def test_the_same_event_and_the_same_session_twice_are_one_sale(ana: Membership, shop: Shop) -> None:
    paid = shop.sells(sent={"metadata[spk]": token()})
    for _ in range(3):
        told("checkout.session.completed", paid)
    assert len(every()) == 1
    assert earned(every()[0]) == 1_290


def test_two_clocks_that_apply_the_same_sale_and_its_refund_at_once_record_each_once(
    ana: Membership, shop: Shop
) -> None:
    paid = shop.sells(sent={"metadata[spk]": token()})
    back = shop.refunds(paid, 2_900)
    for kind, about in (("checkout.session.completed", paid), ("charge.refunded", back)) * 2:
        with transaction():
            stripe_event_rows.store({"id": f"evt_{new_id()}", "type": kind, "data": {"object": about}})
    applied = at_once(stripe_events.apply_events, stripe_events.apply_events)
    assert sum(each for each in applied if isinstance(each, int)) == 4
    (sale,) = every()
    assert (sale.refunded_minor, earned(sale), refunds()) == (2_900, 1_000, [(2_900, "applied")])


def test_a_subscription_is_one_order_at_first_and_a_sale_of_the_known_customer_each_time_after(
    ana: Membership, shop: Shop, stripe: LocalStripe
) -> None:
    paid = shop.sells(900, recurring=True, sent={"metadata[spk]": token(), "metadata[order_id]": "S-1"})
    first = stripe.read(f"invoices/{paid['invoice']}")
    assert told("invoice.paid", first) == "recorded; nothing to take off"
    assert told("checkout.session.completed", paid) == "recorded; nothing to take off"
    assert [each.external_id for each in every()] == ["S-1"]
    renewal = stripe.order(f"subscriptions/{paid['subscription']}/renew")
    told("invoice.paid", renewal)
    told("invoice.paid", renewal)
    (_, second) = every()
    assert (second.external_id, second.membership_id, second.amount_minor) == (renewal["id"], ana.id, 900)
    assert second.reason == "won: known customer, last brought by ana"


def test_a_renewal_is_a_recurring_sale_in_the_customers_first_months(
    ana: Membership, cast: Cast, shop: Shop, stripe: LocalStripe
) -> None:
    with transaction():
        terms = Terms("percent", rate_basis_points=500, conditions=Conditions(first_months=12))
        change_rule(cast.programme, "recurring", terms, by=COMMAND, valid_from=LONG_AGO)
    paid = shop.sells(900, recurring=True, sent={"metadata[spk]": token(), "metadata[order_id]": "S-1"})
    told("checkout.session.completed", paid)
    with transaction():  # the local Stripe renews within the same second
        (first,) = session().exec(select(Conversion)).all()
        first.occurred_at -= timedelta(days=31)
    told("invoice.paid", stripe.order(f"subscriptions/{paid['subscription']}/renew"))
    first, second = every()
    assert (earned(first), earned(second)) == (90, 45)


@pytest.mark.parametrize("first", ["session", "invoice"])
def test_a_free_trial_is_a_lead_and_what_is_paid_after_it_a_sale_of_the_known_customer(
    ana: Membership, cast: Cast, shop: Shop, stripe: LocalStripe, first: str
) -> None:
    with transaction():
        lead_rule = Terms("flat", flat=Money(300, "EUR"))
        change_rule(cast.programme, "lead", lead_rule, by=COMMAND, valid_from=LONG_AGO)
    trial = {"metadata[spk]": token(), "subscription_data[trial_period_days]": "30"}
    paid = shop.sells(900, recurring=True, sent=trial)
    events = [
        ("checkout.session.completed", paid),
        ("invoice.paid", stripe.read(f"invoices/{paid['invoice']}")),
    ]
    for kind, about in (events if first == "session" else events[::-1]) * 2:
        assert told(kind, about) == "recorded"
    (lead,) = every()
    assert (lead.kind, lead.amount_minor, lead.membership_id, earned(lead)) == ("lead", 0, ana.id, 300)
    with transaction():  # longer ago than any click counts
        session().get_one(Conversion, lead.id).occurred_at -= timedelta(days=45)
    after = stripe.order(f"subscriptions/{paid['subscription']}/renew")
    assert told("invoice.paid", after) == "recorded; nothing to take off"
    (_, sale) = every()
    assert (sale.kind, sale.amount_minor, earned(sale)) == ("sale", 900, 90)
    assert sale.reason == "won: known customer, last brought by ana"


def test_a_trial_without_an_advocate_and_an_order_that_costs_nothing_are_not_kept(
    ana: Membership, shop: Shop, stripe: LocalStripe
) -> None:
    trial = shop.sells(900, recurring=True, sent={"subscription_data[trial_period_days]": "7"})
    assert told("checkout.session.completed", trial) == "names no advocate of ours"
    coupon = stripe.api("coupons", percent_off="100", duration="once")["id"]
    free = shop.sells(sent={"metadata[spk]": token(), "discounts[0][coupon]": coupon})
    assert free["payment_status"] == "no_payment_required"
    assert told("checkout.session.completed", free) == "nothing was paid"
    assert every() == []


@pytest.mark.parametrize("first", ["api", "stripe"])
def test_an_order_told_by_the_api_and_by_stripe_is_one(
    ana: Membership, cast: Cast, shop: Shop, first: str
) -> None:
    paid = shop.sells(sent={"metadata[spk]": token(), "metadata[order_id]": "order-7"})

    def by_api() -> None:
        with transaction():
            bring(cast.north.id, external_id="order-7", click=token(), amount_minor=12_900)

    def by_stripe() -> None:
        told("checkout.session.completed", paid)

    ways: list[Callable[[], None]] = [by_api, by_stripe] if first == "api" else [by_stripe, by_api]
    for way in (*ways, *ways):
        way() if way is by_stripe else _again(way)
    (sale,) = every()
    assert earned(sale) == 1_290
    told("charge.refunded", shop.refunds(paid, 12_900))
    assert (earned(sale), refunds()) == (0, [(12_900, "applied")])


def _again(way: Callable[[], None]) -> None:
    try:
        way()
    except conversions.ConversionDiffers:  # the clock moved on: other content, as a careless shop would send
        return


def test_a_refund_told_by_the_api_before_is_not_taken_off_again(
    ana: Membership, cast: Cast, shop: Shop
) -> None:
    paid = shop.sells(sent={"metadata[spk]": token(), "metadata[order_id]": "order-8"})
    told("checkout.session.completed", paid)
    with transaction():
        give_back(cast.hub.id, "order-8", 2_900)
    assert told("charge.refunded", shop.refunds(paid, 2_900)) == "nothing to take off"


def test_another_unit_learns_nothing_of_an_order_that_stripe_told(
    ana: Membership, cast: Cast, shop: Shop
) -> None:
    told(
        "checkout.session.completed",
        shop.sells(sent={"metadata[spk]": token(), "metadata[order_id]": "order-9"}),
    )
    with transaction():
        other = bring(cast.south.id, external_id="order-9", code="ana")
    assert other.unit_id == cast.south.id
    assert other.membership_id is None


def test_an_event_waits_when_stripe_cannot_be_asked(ana: Membership, shop: Shop, stripe: LocalStripe) -> None:
    paid = shop.sells(sent={"metadata[spk]": token()})
    stripe.fault("error_500_before", method="GET", path="/v1/checkout")
    assert told("checkout.session.completed", paid) == ""
    assert every() == []
    with at(now() + timedelta(minutes=3)):
        stripe_events.apply_events()
    assert len(every()) == 1


def test_a_customer_of_the_shop_is_known_by_the_shops_own_name(ana: Membership, shop: Shop) -> None:
    told(
        "checkout.session.completed",
        shop.sells(sent={"metadata[spk]": token(), "metadata[customer_id]": "c-77"}),
    )
    told(
        "checkout.session.completed",
        shop.sells(sent={"metadata[spokes_code]": "nobodys", "metadata[customer_id]": "c-77"}),
    )
    assert [each.customer_id for each in every()] == ["c-77", "c-77"]
    assert [each.membership_id for each in every()] == [ana.id, ana.id]


def test_own_purchases_at_stripe_earn_nothing(cast: Cast, ana: Membership, shop: Shop) -> None:
    told(
        "checkout.session.completed",
        shop.sells(email="Ana.Advocate@example.org", sent={"metadata[spk]": token()}),
    )
    assert [(each.membership_id, each.reason) for each in every()] == [(None, "nobody's: own purchase")]


def test_an_own_purchase_by_another_form_of_the_address_is_seen(
    cast: Cast, ana: Membership, shop: Shop
) -> None:
    with transaction():
        person = get_person(ana.person_id)
        person.email = "ana.advocate.maria@gmail.com"
        session().add(person)
    told(
        "checkout.session.completed",
        shop.sells(email="anaadvocatemaria+k7q@gmail.com", sent={"metadata[spk]": token()}),
    )
    with at(now() + 2 * fraud_work.CLICKS_WITHIN):  # its click was never taken in
        fraud_work.assess_due()
    (sale,) = every()
    assert "own_email" in signals_of(sale.id)


def test_the_scoreboard_agrees(ana: Membership, shop: Shop) -> None:
    paid, _sale = bought(shop)
    told("charge.refunded", shop.refunds(paid, 2_900))
    with transaction():
        assert metrics.differences() == []


def test_every_token_that_the_snippet_kept_is_a_candidate(ana: Membership, cast: Cast, shop: Shop) -> None:
    with transaction():
        ben = make_earner(cast.programme, "Ben Carver")
        make_link(ben, "ben")
    both = f"{token('ben')} {token('ana', timedelta(days=2))}"
    told("checkout.session.completed", shop.sells(sent={"metadata[spk]": both}))
    (sale,) = every()
    with transaction():
        candidates = conversions.candidates_of([sale.id])[sale.id]
    assert {each.membership_id for each in candidates} == {ana.id, ben.id}
    assert sale.membership_id == ben.id


def test_odd_words_of_the_shop_do_not_lose_the_sale(ana: Membership, shop: Shop) -> None:
    odd = {
        "metadata[order_id]": "Nº 7 é",
        "metadata[customer_id]": "x y",
        "metadata[spokes_code]": "ana " + "z" * 200,
    }
    paid = shop.sells(sent={**odd, "metadata[spk]": token() + " " + token()})
    told("checkout.session.completed", paid)
    assert [(each.external_id, each.membership_id) for each in every()] == [(paid["id"], ana.id)]


def test_a_refund_waits_a_while_for_an_order_that_the_api_has_not_told_yet(
    ana: Membership, cast: Cast, shop: Shop
) -> None:
    paid = shop.sells(
        sent={"payment_intent_data[metadata][order_id]": "order-11"}
    )  # the session names nobody
    assert told("charge.refunded", shop.refunds(paid, 2_900)) == ""
    with transaction():
        bring(cast.north.id, external_id="order-11", code="ana")
    with at(now() + timedelta(minutes=3)):
        stripe_events.apply_events()
    assert [(each.external_id, each.refunded_minor) for each in every()] == [("order-11", 2_900)]
    other = shop.sells(sent={"payment_intent_data[metadata][order_id]": "order-12"})
    told("charge.refunded", shop.refunds(other, 2_900))
    with at(now() + timedelta(hours=1)):
        stripe_events.apply_events()
    assert [each.result for each in left_lying()] == []
