"""Doors for advocates: what they earned and why, statements, and where they are paid."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field, StringConstraints
from sqlmodel import col, select

from core.clock import now
from core.db import session, transaction
from core.errors import Conflict
from core.inputs import Input
from core.paging import page_of
from core.people import get_person
from core.settings import settings
from hub.metrics import value_of
from hub.programmes import get_programme
from referrals.conversions.conversions import Conversion
from referrals.conversions.yours import reason_for, verdict_of
from rewards.approvals import second_looks
from rewards.explanations import explain
from rewards.payouts import accounts, in_kind, paid_to
from rewards.payouts.accounts import PayoutAccount
from rewards.payouts.periods import next_closing
from rewards.perks import perks, points
from rewards.reward import Reward
from rewards.statements import statement_documents, statements
from rewards.statements.years import years_of
from rewards.stripe import stripe_accounts
from rewards.stripe.stripe_gateway import Refused, StripeBusy, StripeError
from rewards.tax import tax_forms
from rewards.tax.invoices import invoices_of
from web import country_names
from web.forms import Form, read_form, read_query
from web.proving import proves
from web.requests import transacts_itself
from web.signing_in import advocate, me

door = Blueprint("rewards_portal", __name__)

ACCOUNT_PAGE = "/portal/rewards/account"
SHOWN_MONTHS = 12


class LinesQuery(Input):
    """Which page of the lines."""

    after: str | None = Field(default=None, max_length=1_000)


class NewAccount(Input):
    """Where the advocate's bank is."""

    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


class StripeSaysNo(Conflict):
    """Stripe did not accept this."""


@door.get("/portal/rewards")
def my_rewards() -> str:
    """Balances by state, every line with its arithmetic, statements, the payout account."""
    member, query = advocate(), read_query(LinesQuery)
    programme = get_programme(member.programme_id)
    lines = select(Reward).where(Reward.membership_id == member.id)
    page = page_of(lines, (col(Reward.id), "id"), after=query.after)
    return render_template(
        "portal/rewards/rewards.html",
        programme=programme,
        balances=statements.balances_of(member.id),
        given_as=in_kind.under_way(member.id),
        points=value_of("points", "all", member.id),
        to_spend=points.to_spend(member.id),
        waiting=points.waiting(member.id),
        has_perks=bool(perks.perks_of(member.programme_id, offered=True)),
        page=page,
        orders=_orders(page.items),
        won_by=partial(reason_for, member.id),
        months=[(each, statements.first_day(each)) for each in statements.months_of(member)[:SHOWN_MONTHS]],
        years=years_of(member),
        standing=paid_to.standing_of(member),
        by_bank=settings().pays_by_bank,
        pays_in=perks.paying_perk(member.programme_id),
        tax=tax_forms.standing(tax_forms.form_of(member.person_id), now()),
        closing=next_closing(programme, now()),
    )


def _orders(lines: Sequence[Reward]) -> dict[str, Conversion]:
    ids = {each.conversion_id for each in lines}
    return {each.id: each for each in session().exec(select(Conversion).where(col(Conversion.id).in_(ids)))}


@door.get("/portal/rewards/<id:reward_id>")
def my_reward(reward_id: str) -> str:
    """One line, explained: what it was for, why so much, who approved it, what was booked and paid."""
    member = advocate()
    reward = second_looks.seen_by(member, reward_id)
    why = explain(reward)
    mine = [each for each in why.candidates if each.membership_id == member.id]
    return render_template(
        "portal/rewards/reward.html",
        why=why,
        mine=mine,
        verdict=verdict_of,
        won_by=partial(reason_for, member.id),
        given_as=in_kind.given_as([reward.payout_id]).get(reward.payout_id or ""),
        may_ask=second_looks.may_ask(reward),
        asked=second_looks.asked_of(reward.id),
        form=Form(),
    )


class Words(Input):
    """Why it should be granted."""

    words: str = Field(default="", max_length=second_looks.MOST_WORDS)


@door.post("/portal/rewards/<id:reward_id>")
def ask_for_second_look(reward_id: str) -> ResponseReturnValue:
    """Ask once that somebody else looks at a denied reward."""
    member, wanted = advocate(), read_form(Words)
    reward = second_looks.seen_by(member, reward_id)
    second_looks.ask(member, reward, words=wanted.words, by=me().actor)
    flash(_("Thank you. A person looks at it and answers here within a week."), "good")
    return redirect(f"/portal/rewards/{reward.id}", 303)


@door.get("/portal/rewards/statements/<month>")
def statement(month: str) -> str:
    """Everything that changed in a month."""
    member = advocate()
    return render_template(
        "portal/rewards/statement.html",
        statement=statements.statement(member, month),
        programme=get_programme(member.programme_id),
        member=member,
        person=get_person(member.person_id),
        document=statement_documents.standing_of(member, month),
        invoices=invoices_of(member.id, month),
        form=Form(),
    )


@door.get(ACCOUNT_PAGE)
def account_page() -> ResponseReturnValue:
    """Where the advocate is paid, with what Stripe said when we last asked."""
    member = advocate()
    if settings().pays_by_bank:
        return redirect("/portal/rewards/bank", 303)
    account = accounts.account_of(member.person_id)
    return render_template(
        "portal/rewards/account.html",
        account=account,
        standing=accounts.standing(account),
        countries=country_names.named(accounts.COUNTRIES),
        form=Form(),
    )


@door.post(ACCOUNT_PAGE)
@proves()
@transacts_itself
def set_up() -> ResponseReturnValue:
    """Make the account at Stripe where there is none, and lead to Stripe's own form."""
    with transaction():
        person = get_person(advocate().person_id)
        known = accounts.account_of(person.id)
        kept = known if known and known.stripe_account_id and known.gone_at is None else None
        country = kept.country if kept else read_form(NewAccount).country
        account = accounts.begin(person.id, country)
    return redirect(_onboarding(account, person.email), 303)


@door.get(f"{ACCOUNT_PAGE}/again")
@transacts_itself
def again() -> ResponseReturnValue:
    """Stripe's link had expired or was used: a new one, for the account that is there already."""
    with transaction(read_only=True):
        account = accounts.account_of(advocate().person_id)
    if account is None or account.stripe_account_id is None:
        return redirect(ACCOUNT_PAGE, 303)
    return redirect(_onboarding(account, ""), 303)


def _onboarding(account: PayoutAccount, email: str) -> str:
    """The address of Stripe's form; no transaction is open while Stripe is asked."""
    stripe_id = account.stripe_account_id
    try:
        if stripe_id is None:
            # The row's id is the key: a second try makes no second account.
            about = {"account": account.id}
            stripe_id = stripe_accounts.create_account(
                f"account_{account.id}", country=account.country, email=email, metadata=about
            )
            with transaction():
                accounts.connect(account.id, stripe_id)
        page = f"{settings().address}{ACCOUNT_PAGE}"
        return stripe_accounts.onboarding_link(
            stripe_id, return_url=f"{page}/return", refresh_url=f"{page}/again"
        )
    except Refused as error:
        raise StripeSaysNo(error.message) from error
    except StripeError as error:
        raise StripeBusy from error


@door.get(f"{ACCOUNT_PAGE}/return")
@transacts_itself
def returned() -> ResponseReturnValue:
    """Back from Stripe, which proves nothing: read the account."""
    with transaction(read_only=True):
        account = accounts.account_of(advocate().person_id)
    if account is not None and account.stripe_account_id is not None:
        _read(account.stripe_account_id)
    return redirect(ACCOUNT_PAGE, 303)


def _read(stripe_account_id: str) -> None:
    try:
        facts = stripe_accounts.read_account(stripe_account_id)
    except StripeError:
        flash(_("Stripe does not answer just now. What you see is what it said before."), "wait")
        return
    with transaction():
        accounts.note_facts(facts)
