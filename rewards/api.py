"""Doors for machines: rewards and payouts."""

from flask import Blueprint, Response
from pydantic import Field
from sqlmodel import col, select

from core.access import Actor
from core.paging import Listing, page_of
from rewards import answers
from rewards.answers import PayoutPage, RewardPage
from rewards.payouts.runs import Payout
from rewards.payouts.runs import State as PayoutState
from rewards.reward import Reward, State
from web.api_doors import by_query
from web.machines import listed, note_use
from web.protection import csrf

door = Blueprint("rewards_api", __name__)
door.after_request(note_use)
csrf.exempt(door)


class RewardListing(Listing):
    """The query of rewards."""

    state: State | None = Field(default=None, description="only those in this state")


class PayoutListing(Listing):
    """The query of payouts."""

    state: PayoutState | None = Field(default=None, description="only those in this state")


@door.get("/api/v1/rewards")
@by_query(RewardListing, scope="rewards:read", answers={200: RewardPage})
def list_rewards(actor: Actor, query: RewardListing) -> Response:
    """The rewards that the key's units may see, the newest first."""
    wanted = select(Reward).where(col(Reward.unit_id).in_(actor.units_for("rewards:read")))
    if query.state is not None:
        wanted = wanted.where(Reward.state == query.state)
    page = page_of(wanted, (col(Reward.id), "id"), after=query.after, limit=query.limit)
    shown = answers.show_rewards(page.items)
    return listed(page, lambda reward: shown[reward.id])


@door.get("/api/v1/payouts")
@by_query(PayoutListing, scope="payouts:read", answers={200: PayoutPage})
def list_payouts(actor: Actor, query: PayoutListing) -> Response:
    """The payouts that the key's units may see, the newest first."""
    wanted = select(Payout).where(col(Payout.unit_id).in_(actor.units_for("payouts:read")))
    if query.state is not None:
        wanted = wanted.where(Payout.state == query.state)
    page = page_of(wanted, (col(Payout.id), "id"), after=query.after, limit=query.limit)
    shown = answers.show_payouts(page.items)
    return listed(page, lambda payout: shown[payout.id])
