"""What the tests of money need: rules, sales, refunds, accounts at a local Stripe."""

import itertools
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlmodel import col, select

from advocates.membership import Membership
from core.access import COMMAND
from core.clock import at, day_number, now
from core.db import session, transaction
from core.money import POINTS, Money
from core.people import Person
from hub.programmes import Programme, get_programme
from referrals.conversions.conversions import Conversion, Refund
from rewards import grants
from rewards.approvals import approvals
from rewards.approvals.approvals import Seen
from rewards.grants import Reward
from rewards.ledger import ledger
from rewards.payouts import accounts, payouts
from rewards.payouts.runs import Payout
from rewards.rules import rules
from rewards.rules.rules import RewardRule, Terms
from rewards.stripe import stripe_accounts
from rewards.stripe.stripe_accounts import AccountFacts
from tests.factories import acting, make_advocate


class Ordered(Protocol):
    """A local Stripe with its controls, in whichever process."""

    def order(self, path: str, **body: object) -> dict[str, Any]:
        """POST to one of them."""
        ...


LONG_AGO = datetime.fromisoformat("2020-01-01T00:00:00+00:00")
_count = itertools.count(1)


def percent_rule(programme: Programme, rate_basis_points: int = 1_000) -> RewardRule:
    """So much of each sale, since long ago."""
    terms = Terms("percent", rate_basis_points=rate_basis_points)
    return rules.change_rule(programme, "sale", terms, by=COMMAND, valid_from=LONG_AGO)


def points_rule(
    programme: Programme, trigger: rules.Trigger = "certification", points: int = 50
) -> RewardRule:
    """Points for a trigger, since long ago."""
    terms = Terms("flat", flat=Money(points, POINTS))
    return rules.change_rule(programme, trigger, terms, by=COMMAND, valid_from=LONG_AGO)


def sale(
    membership: Membership, amount_minor: int = 12_900, currency: str = "EUR", when: datetime | None = None
) -> Conversion:
    """A sale that is already attributed."""
    when = when or now()
    made = Conversion(
        unit_id=membership.unit_id,
        external_id=f"order-{next(_count)}",
        content_hash="",
        kind="sale",
        occurred_at=when,
        day=day_number(when),
        amount_minor=amount_minor,
        currency=currency,
        lines=[],
        details={},
        membership_id=membership.id,
        programme_id=membership.programme_id,
        reason="The last click within 30 days was on this advocate's link.",
    )
    session().add(made)
    session().flush()
    return made


def refund(conversion: Conversion, amount_minor: int) -> Refund:
    """Part of a sale is given back."""
    made = Refund(
        unit_id=conversion.unit_id,
        external_id=f"refund-{next(_count)}",
        content_hash="",
        conversion_id=conversion.id,
        conversion_external_id=conversion.external_id,
        state="applied",
        amount_minor=amount_minor,
        occurred_at=now(),
        day=day_number(now()),
    )
    session().add(made)
    session().flush()
    return made


def earn(membership: Membership, amount_minor: int = 12_900, currency: str = "EUR") -> Reward:
    """A sale whose hold has passed, and its reward, approvable."""
    days = get_programme(membership.programme_id).hold_days
    conversion = sale(membership, amount_minor, currency, when=now() - timedelta(days=days + 1))
    return grants.grant_for_conversion(conversion.id)[0]


def seen(*rewards: Reward) -> list[Seen]:
    """The rewards as their page shows them now."""
    return [Seen(each.id, each.content_hash) for each in rewards]


def approvable(membership: Membership, amount_minor: int = 12_900, currency: str = "EUR") -> str:
    """A reward that waits for approval; opens its own transactions; the answer is its id."""
    with transaction():
        reward_id = earn(membership, amount_minor, currency).id
    grants.open_after_hold()
    return reward_id


def approved(
    membership: Membership,
    by: Person,
    amount_minor: int = 12_900,
    currency: str = "EUR",
    second: Person | None = None,
) -> str:
    """A reward that is payable; opens its own transactions; the answer is its id."""
    reward_id = approvable(membership, amount_minor, currency)
    for person in (by, second):
        if person is not None:
            with transaction():
                approvals.approve(seen(grants.get_reward(reward_id)), by=acting(person))
    return reward_id


def ready_account(membership: Membership, stripe_account_id: str = "") -> str:
    """An account that can be paid, as if just read from Stripe."""
    account = accounts.begin(membership.person_id, "DE")
    stripe_id = stripe_account_id or f"acct_story{next(_count)}"
    accounts.connect(account.id, stripe_id)
    session().refresh(account)
    accounts.note_facts(
        AccountFacts(
            account_id=stripe_id,
            country="DE",
            transfers="active",
            payouts_enabled=True,
            details_submitted=True,
            disabled_reason="",
            due=(),
        )
    )
    return stripe_id


def stripe_account(membership: Membership, stripe: Ordered, *, onboarded: bool = True) -> str:
    """A real account at the local Stripe, read as after onboarding; opens its own transactions."""
    with transaction():
        account = accounts.begin(membership.person_id, "DE")
    stripe_id = stripe_accounts.create_account(
        f"acct_{account.id}", country="DE", email="ana@example.org", metadata={"account": account.id}
    )
    if onboarded:
        stripe.order(f"accounts/{stripe_id}/onboard")
    facts = stripe_accounts.read_account(stripe_id)
    with transaction():
        accounts.connect(account.id, stripe_id)
    with transaction():
        accounts.note_facts(facts)
    return stripe_id


def ready_advocate(programme: Programme) -> Membership:
    """Earns a tenth of each sale and has an account that can be paid, as if just read from Stripe; opens its own transaction."""
    with transaction():
        percent_rule(programme)
        made = make_advocate(programme)
        ready_account(made)
    return made


def payable_advocate(programme: Programme, stripe: Ordered) -> Membership:
    """Earns a tenth of each sale and has an account at the local Stripe; opens its own transactions."""
    with transaction():
        percent_rule(programme)
        made = make_advocate(programme)
    stripe_account(made, stripe)
    return made


def reserved_payouts(programme: Programme, by: Person) -> list[str]:
    """Make a run now of everything that is approved; the ids of its payouts. Opens its own transactions."""
    with at(now() + timedelta(seconds=1)), transaction():
        made = payouts.run_now(programme, by=acting(by))
        assert made is not None
        return list(
            session().exec(select(Payout.id).where(Payout.run_id == made.id).order_by(col(Payout.id))).all()
        )


def take_as_sent(payout: Payout) -> None:
    """As if Stripe had taken it now."""
    payout.state, payout.sent_at, payout.transfer_id = "sent", now(), f"tr_{payout.id}"
    session().add(payout)
    for line in session().exec(select(Reward).where(Reward.payout_id == payout.id)):
        line.state = "paid"
    session().flush()
    move = ledger.Movement(
        ledger.reserved(payout.membership_id), ledger.STRIPE, payout.amount_minor, payout.currency
    )
    ledger.post(ledger.Entry(f"payout.sent:{payout.id}", "payout.sent", payout.id, (move,)))
