"""Payouts in kind: whole ones only, never more than there are, sent or owed again, and the books know it all."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlmodel import col, select

from advocates.membership import Membership
from core.clock import at, now
from core.db import session, transaction
from core.errors import Forbidden
from core.money import Money
from core.outbox import OutboxMessage
from core.people import Person
from hub import actions
from hub.programmes import Programme
from rewards import payouts_page
from rewards.ledger import ledger, proof
from rewards.payouts import in_kind, paid_to, payout_decisions, payouts
from rewards.payouts.payout_decisions import NotByStripe
from rewards.payouts.payout_sender import send_due
from rewards.payouts.runs import Payout, PayoutSkip
from rewards.perks import perk_orders, perks
from rewards.perks.perk_orders import NotSent, PerkOrder
from rewards.perks.perks import NotHowItPays, PaysAlready, Perk
from rewards.reward import Reward
from rewards.statements import statements
from tests.at_once import at_once
from tests.factories import Cast, acting, make_advocate, make_staff, sign_in
from tests.rewards.payouts.test_payouts import next_month
from tests.rewards.stories import approved, percent_rule, ready_account


@pytest.fixture
def ana(cast: Cast) -> Membership:
    with transaction():
        percent_rule(cast.programme)
        return make_advocate(cast.programme)


@pytest.fixture
def card(cast: Cast) -> Perk:
    """A gift card over 10 euros, five of them."""
    with transaction():
        return perks.offer(
            cast.programme, "A gift card", 0, 5, by=acting(cast.finance), worth=Money(1_000, "EUR")
        )


def close(months: int = 0) -> None:
    with at(next_month() + timedelta(days=31 * months)):
        payouts.prepare()
        in_kind.give_due()


def payout() -> Payout:
    with transaction(read_only=True):
        assert proof.problems() == []
        return session().exec(select(Payout).order_by(col(Payout.id).desc())).all()[0]


def the_order() -> PerkOrder:
    with transaction(read_only=True):
        return session().exec(select(PerkOrder)).one()


def stock(card: Perk) -> int:
    with transaction(read_only=True):
        return perks.get_perk(card.id).stock


def test_whole_ones_are_ordered_sent_and_told_and_the_rest_is_carried(
    cast: Cast, ana: Membership, card: Perk
) -> None:
    approved(ana, cast.manager, 25_500)
    close()
    assert (payout().state, payout().amount_minor, payout().provider) == ("sending", 2_000, "perk")
    assert (the_order().quantity, the_order().points, stock(card)) == (2, 0, 3)
    assert send_due() == 0  # that is for Stripe's
    with transaction():
        (asked,) = actions.waiting_for(acting(cast.manager), kind="perk.send").items
        assert asked.summary == "2 × A gift card for Ana Advocate"
        order = session().exec(select(PerkOrder)).one()
        perk_orders.send(order, by=acting(cast.manager), said="by post")
    assert payout().state == "sent"
    payout_id = payout().id
    with transaction(read_only=True):
        assert ledger.balance(ledger.KIND, "EUR") == 2_000
        assert ledger.balance(ledger.payable(ana.id), "EUR") == 550
        told = session().exec(select(OutboxMessage).where(OutboxMessage.subject == payout_id)).one()
        assert told.content["subject"] == "2 × A gift card for €20.00 is on its way to you"
        assert "It is given as 2 × A gift card, not as money." in told.content["text"]
        assert ("Stripe" in told.content["text"], "bank" in told.content["text"]) == (False, False)
        kinds = [
            each.kind for part in statements.statement(ana, f"{now():%Y-%m}").accounts for each in part.lines
        ]
        assert kinds.count("payout.sent") == 1
    approved(ana, cast.manager, 4_500)
    close(months=1)
    assert payout().amount_minor == 1_000  # 5.50 that were carried and 4.50


def test_a_rest_is_carried_also_when_the_payout_itself_reaches_the_threshold_of_tax_forms(
    cast: Cast, ana: Membership, card: Perk
) -> None:
    """What a run has just made counts for the next look at whom it may pay: the rest does not depend on that."""
    with transaction():
        session().get_one(Programme, cast.programme.id).tax_forms = "threshold"
    approved(ana, cast.manager, 1_995_50 * 10, second=cast.finance)
    with at(next_month()):
        payouts.prepare()
    assert payout().amount_minor == 1_990_00
    with transaction(read_only=True):
        assert ledger.balance(ledger.payable(ana.id), "EUR") == 550


def test_what_cannot_be_sent_is_owed_again_and_back_in_stock(cast: Cast, ana: Membership, card: Perk) -> None:
    approved(ana, cast.manager, 20_000)
    close()
    with transaction():
        order = session().exec(select(PerkOrder)).one()
        perk_orders.decline(order, by=acting(cast.manager), reason="No address.")
    assert (payout().state, payout().reason, stock(card)) == ("taken_back", "No address.", 5)
    with transaction(read_only=True):
        line = session().exec(select(Reward)).one()
        assert (line.state, line.run_id) == ("approved", None)


def test_what_was_sent_and_came_back_is_put_before_finance(cast: Cast, ana: Membership, card: Perk) -> None:
    approved(ana, cast.manager, 20_000)
    close()
    with transaction():
        order = session().exec(select(PerkOrder)).one()
        with pytest.raises(NotSent):
            perk_orders.come_back(order, by=acting(cast.manager), reason="too early")
        perk_orders.send(order, by=acting(cast.manager))
    with transaction():
        perk_orders.come_back(
            session().exec(select(PerkOrder)).one(), by=acting(cast.manager), reason="Moved."
        )
    assert (payout().state, payout().reason) == ("reversed", "What was sent came back: Moved.")
    assert (the_order().state, stock(card)) == ("returned", 5)
    with transaction():
        told = session().exec(select(OutboxMessage).where(OutboxMessage.subject == order.id)).all()
        assert "A gift card came back to us" in {each.content["subject"] for each in told}
        payout_decisions.pay_again(payout_decisions.get_payout(str(order.payout_id)), by=acting(cast.finance))
        assert ledger.balance(ledger.KIND, "EUR") == 0
    close(months=1)
    assert (payout().state, payout().amount_minor, stock(card)) == ("sending", 2_000, 3)


def test_what_is_not_in_stock_waits_for_more(cast: Cast, ana: Membership, card: Perk) -> None:
    approved(ana, cast.manager, 60_000)
    close()
    assert (payout().state, payout().reason) == ("reserved", in_kind.NOT_ENOUGH)
    with transaction():
        assert len(actions.waiting_for(acting(cast.finance), kind="payout.look").items) == 1
        perks.restock(perks.get_perk(card.id), 1, by=acting(cast.manager))
        perks.withdraw(perks.get_perk(card.id), by=acting(cast.manager))  # what was promised is given still
    in_kind.give_due()
    assert (payout().state, payout().reason, stock(card)) == ("sending", "", 0)
    with transaction():
        assert actions.waiting_for(acting(cast.finance), kind="payout.look").items == []


def test_what_waits_for_stock_stands_in_nobodys_way(
    cast: Cast, ana: Membership, card: Perk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_kind, "BATCH", 1)
    with transaction():
        ben = make_advocate(cast.programme, "Ben After")
    approved(ana, cast.manager, 60_000)
    approved(ben, cast.manager, 20_000)
    close()
    for _clock in range(3):
        in_kind.give_due()
    with transaction(read_only=True):
        states = dict(session().exec(select(Payout.membership_id, Payout.state)).all())
    assert states == {ana.id: "reserved", ben.id: "sending"}


def test_what_never_comes_in_is_taken_back_by_finance(cast: Cast, ana: Membership, card: Perk) -> None:
    approved(ana, cast.manager, 60_000)
    close()
    with transaction():
        (stopped,) = payouts_page.stopped(acting(cast.finance))
        payout_decisions.take_back(stopped, by=acting(cast.finance))
    assert (payout().state, stock(card)) == ("taken_back", 5)
    in_kind.give_due()
    assert payout().state == "taken_back"


def test_what_waits_for_stock_is_not_sent_to_an_account_at_stripe(
    cast: Cast, ana: Membership, card: Perk
) -> None:
    approved(ana, cast.manager, 60_000)
    with transaction():
        ready_account(ana)
    close()
    waits = payout().id
    with pytest.raises(NotByStripe), transaction():
        payout_decisions.retry(payout_decisions.get_payout(waits), by=acting(cast.finance))
    with transaction():
        perks.restock(perks.get_perk(card.id), 1, by=acting(cast.manager))
    in_kind.give_due()
    assert (payout().state, payout().destination) == ("sending", card.id)


def test_two_clocks_order_once(cast: Cast, ana: Membership, card: Perk) -> None:
    approved(ana, cast.manager, 20_000)
    with at(next_month()):
        payouts.prepare()
    at_once(in_kind.give_due, in_kind.give_due)
    assert (the_order().quantity, stock(card)) == (2, 3)


def test_too_little_and_other_currencies_are_said(cast: Cast, ana: Membership, card: Perk) -> None:
    approved(ana, cast.manager, 9_900)
    approved(ana, cast.manager, 123_000, "JPY", cast.finance)
    close()
    with transaction(read_only=True):
        said = sorted(each.sentence for each in session().exec(select(PayoutSkip)))
    assert said == [
        "A gift card stands for €10.00: less is carried over.",
        "This programme gives A gift card for EUR only.",
    ]


def test_a_programme_pays_in_one_perk_of_its_currency(cast: Cast, card: Perk) -> None:
    with transaction():
        fin = make_staff("Fin Hub", "finance", cast.hub)
    with transaction(), pytest.raises(Forbidden):
        perks.offer(cast.programme, "Another", 0, 1, by=acting(cast.manager), worth=Money(5, "EUR"))
    for programme, worth, refusal in (
        (cast.programme, Money(5, "EUR"), PaysAlready),
        (cast.programme, Money(5, "USD"), NotHowItPays),
        (cast.other_programme, Money(5, "EUR"), NotHowItPays),
    ):
        with transaction(), pytest.raises(refusal):
            perks.offer(programme, "Another", 0, 1, by=acting(fin), worth=worth)


def test_it_is_offered_on_the_page_and_nobody_is_asked_for_an_account(
    client: FlaskClient, cast: Cast, ana: Membership
) -> None:
    sign_in(client, cast.manager)
    typed = {
        "programme_id": cast.programme.id,
        "name": "A gift card",
        "points": "",
        "worth": "10",
        "stock": "5",
    }
    assert client.post("/console/rewards/perks", data=typed).status_code == 403
    sign_in(client, cast.finance)
    assert client.post("/console/rewards/perks", data=typed | {"worth": "0"}).status_code == 403
    assert client.post("/console/rewards/perks", data=typed).status_code == 303
    assert "€10.00 of a payout" in client.get("/console/rewards/perks").text
    approved(ana, cast.manager, 20_000)
    close()
    page = client.get("/console/rewards/perks").text
    assert ("2 × A gift card" in page, f"/console/payouts/items/{payout().id}" in page) == (True, True)
    with transaction(read_only=True):
        assert paid_to.standing_of(ana) == "ready"
        person = session().get_one(Person, ana.person_id)
    sign_in(client, person)
    rewards = client.get("/portal/rewards").text
    assert ("Tell us where to pay you" in rewards, "are given as A gift card" in rewards) == (False, True)
    assert "in kind: 2 × A gift card" in rewards
    assert "on its way to you as 2 × A gift card" in client.get("/portal").text
    made = payout().id
    with transaction(read_only=True):
        line = session().exec(select(Reward.id).where(Reward.payout_id == made)).first()
    assert "given as 2 × A gift card, not as money" in client.get(f"/portal/rewards/{line}").text
    store = client.get("/portal/rewards/store").text
    assert "A gift card" in store  # on its way, not on offer
    assert (
        client.post("/portal/rewards/store", data={"perk_id": the_order().perk_id, "once": "x"}).status_code
        == 409
    )
