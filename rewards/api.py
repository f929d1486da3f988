"""Doors for machines: rewards and payouts."""

from flask import Blueprint, Response
from sqlmodel import col, select

from core.paging import page_of
from rewards import answers
from rewards.reward import Reward, State
from rewards.runs import Payout
from rewards.runs import State as PayoutState
from web.forms import read_query
from web.machines import Listing, listed, machine, note_use
from web.protection import csrf

door = Blueprint("rewards_api", __name__)
door.after_request(note_use)
csrf.exempt(door)


class RewardListing(Listing):
    """The query of rewards."""

    state: State | None = None


class PayoutListing(Listing):
    """The query of payouts."""

    state: PayoutState | None = None


@door.get("/api/v1/rewards")
def list_rewards() -> Response:
    """The rewards that the key's units may see, the newest first."""
    actor, query = machine("rewards:read"), read_query(RewardListing)
    wanted = select(Reward).where(col(Reward.unit_id).in_(actor.units_for("rewards:read")))
    if query.state is not None:
        wanted = wanted.where(Reward.state == query.state)
    page = page_of(wanted, (col(Reward.id), "id"), after=query.after, limit=query.limit)
    shown = answers.show_rewards(page.items)
    return listed(page, lambda reward: shown[reward.id])


@door.get("/api/v1/payouts")
def list_payouts() -> Response:
    """The payouts that the key's units may see, the newest first."""
    actor, query = machine("payouts:read"), read_query(PayoutListing)
    wanted = select(Payout).where(col(Payout.unit_id).in_(actor.units_for("payouts:read")))
    if query.state is not None:
        wanted = wanted.where(Payout.state == query.state)
    page = page_of(wanted, (col(Payout.id), "id"), after=query.after, limit=query.limit)
    shown = answers.show_payouts(page.items)
    return listed(page, lambda payout: shown[payout.id])
