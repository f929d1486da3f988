"""Every kind of message that goes out as a webhook: its name, when it is sent, and what it holds.

One list for the console, the sender, docs/webhooks.md (a test compares) and the OpenAPI document.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, Field, create_model
from sqlalchemy import or_
from sqlmodel import col, select

from advocates.answers import ShownApplication, show_applications
from advocates.membership import Membership
from core.db import session
from curriculum.answers import ShownCertification, show_certifications
from hub.announcing import Show
from hub.programmes import Programme
from referrals.answers import ShownConversion, ShownRefund, show_conversions, show_refund
from referrals.conversions.conversions import Conversion, Refund
from referrals.conversions.reassignment import Reassignment
from referrals.conversions.seen import conversions_in
from rewards.answers import ShownPayout, ShownReward, show_payouts, show_rewards
from rewards.payouts.runs import Payout
from rewards.reward import Reward, RewardReversal

Ids = Sequence[str]
Units = frozenset[str]
D = TypeVar("D", bound=BaseModel)
STOPPED = ("held", "rejected")


class RefundedConversion(ShownConversion):
    """A sale after a refund, or after that came back, and the refund."""

    refund: ShownRefund


class ReversedReward(ShownReward):
    """A reward as it is after a refund, and what the refund took of it."""

    taken_back_minor: int
    refund_external_id: str


class Message(BaseModel, Generic[D]):
    """The body of a webhook; `timestamp` is when it happened."""

    type: str
    timestamp: datetime
    data: D


class Ping(BaseModel):
    """Nothing but hello: somebody pressed the button."""

    endpoint_id: str


@dataclass(frozen=True)
class WebhookType:
    """A kind of message: `model` is its `data`, `show` fills it for the units that may see it."""

    name: str
    says: str
    model: type[BaseModel]
    show: Show | None
    """None: only sent by hand"""

    @property
    def message(self) -> type[BaseModel]:
        """The whole body: type, timestamp, data."""
        title = "".join(each.title() for each in self.name.replace(".", "_").split("_"))
        name = Annotated[str, Field(json_schema_extra={"const": self.name})]
        whole: type[BaseModel] = Message[self.model]  # type: ignore[name-defined]  # a model known at run time
        return create_model(f"{title}Webhook", __base__=whole, __doc__=self.says, type=(name, ...))


def conversions(ids: Ids, units: Units) -> dict[str, ShownConversion]:
    """Conversion → as /api/v1/conversions shows it to these units."""
    wanted = select(Conversion).where(col(Conversion.id).in_(ids), conversions_in(units))
    return show_conversions(session().exec(wanted).all(), units)


def reassignments(ids: Ids, units: Units) -> dict[str, ShownConversion]:
    """Reassignment → its conversion as these units may know it, whether it is or was one of theirs."""
    theirs = (
        select(Reassignment.id)
        .join(Membership, col(Membership.id) == col(Reassignment.from_membership_id))
        .join(Programme, col(Programme.id) == col(Membership.programme_id))
        .where(col(Programme.unit_id).in_(units))
    )
    wanted = (
        select(Reassignment.id, Conversion)
        .join(Conversion, col(Conversion.id) == col(Reassignment.conversion_id))
        .where(col(Reassignment.id).in_(ids), or_(conversions_in(units), col(Reassignment.id).in_(theirs)))
    )
    found = session().exec(wanted).all()
    shown = show_conversions([each for _, each in found], units)
    return {id_: shown[each.id] for id_, each in found}


def refunds(ids: Ids, units: Units) -> dict[str, RefundedConversion]:
    """Refund → its sale as these units may see it, with the refund."""
    found = session().exec(select(Refund).where(col(Refund.id).in_(ids))).all()
    sales = conversions([each.conversion_id for each in found if each.conversion_id], units)
    return {
        each.id: RefundedConversion(**sales[each.conversion_id].model_dump(), refund=show_refund(each))
        for each in found
        if each.conversion_id in sales
    }


def rewards(ids: Ids, units: Units) -> dict[str, ShownReward]:
    """Reward → as /api/v1/rewards shows it."""
    wanted = select(Reward).where(col(Reward.id).in_(ids), col(Reward.unit_id).in_(units))
    return show_rewards(session().exec(wanted).all())


def reversals(ids: Ids, units: Units) -> dict[str, ReversedReward]:
    """Reversal → its reward as it is now, and what was taken."""
    wanted = select(RewardReversal, Refund).where(
        col(RewardReversal.id).in_(ids), col(RewardReversal.refund_id) == col(Refund.id)
    )
    found = session().exec(wanted).all()
    shown = rewards([reversal.reward_id for reversal, _ in found], units)
    return {
        reversal.id: ReversedReward(
            **shown[reversal.reward_id].model_dump(),
            taken_back_minor=reversal.amount_minor,
            refund_external_id=refund.external_id,
        )
        for reversal, refund in found
        if reversal.reward_id in shown
    }


def payouts(ids: Ids, units: Units) -> dict[str, ShownPayout]:
    """Payout → as /api/v1/payouts shows it."""
    wanted = select(Payout).where(col(Payout.id).in_(ids), col(Payout.unit_id).in_(units))
    return show_payouts(session().exec(wanted).all())


def stopped_payouts(ids: Ids, units: Units) -> dict[str, ShownPayout]:
    """Those of them that did stop; one that only waits for funds goes out by itself."""
    return {id_: shown for id_, shown in payouts(ids, units).items() if shown.state in STOPPED}


def _types(family: str, model: type[BaseModel], says: dict[str, str], show: Show) -> tuple[WebhookType, ...]:
    return tuple(WebhookType(f"{family}.{act}", sentence, model, show) for act, sentence in says.items())


APPLICATIONS = {
    "submitted": "Somebody applied to a programme.",
    "in_review": "Somebody began to look at an application, or its applicant answered a question.",
    "needs_info": "The applicant was asked for more.",
    "accepted": "The applicant became an advocate.",
    "declined": "The application was declined.",
    "waitlisted": "The application was put on the waiting list.",
    "withdrawn": "The applicant took the application back.",
}
CERTIFICATIONS = {
    "awarded": "An advocate was certified.",
    "revoked": "A certification was revoked.",
    "expired": "A certification came to the end of its validity; told within an hour.",
}
REWARDS = {
    "granted": "A reward was granted for a lead, a sale or a certification.",
    "approved": "A reward has every approval that it needs and is payable.",
    "approval_undone": "An approval was taken back.",
    "denied": "A reward was denied.",
    "held": "A reward was held back for review.",
    "released": "The review of a reward ended.",
    "paid": "A payout with this line was sent; clawbacks are lines with negative amounts.",
}
PAYOUTS = {
    "sent": "The money of a payout has gone out.",
    "taken_back": "A payout was given up; its lines wait for the next run.",
    "reversed": "A payout's money came back: reversed at Stripe, returned by the bank, or its perks were.",
}

TYPES: tuple[WebhookType, ...] = (
    *_types("application", ShownApplication, APPLICATIONS, show_applications),
    *_types("certification", ShownCertification, CERTIFICATIONS, show_certifications),
    WebhookType(
        "conversion.recorded",
        "A lead or a sale was stored and an advocate won it.",
        ShownConversion,
        conversions,
    ),
    WebhookType(
        "conversion.refunded", "A sale was refunded, in full or in part.", RefundedConversion, refunds
    ),
    WebhookType(
        "conversion.refund_undone",
        "A refund came back: it failed, the shop took it back, or its dispute was won after it was lost. It never happened: the sale stands as before.",
        RefundedConversion,
        refunds,
    ),
    WebhookType(
        "conversion.reassigned",
        "A lead or a sale is somebody else's, or nobody's, after an appeal or a review. One that nobody won when it was stored "
        "is told for the first time by this. The unit of whoever had it hears that it went to another unit, and no more of it.",
        ShownConversion,
        reassignments,
    ),
    *_types("reward", ShownReward, REWARDS, rewards),
    WebhookType("reward.reversed", "A refund took a reward back, or part of it.", ReversedReward, reversals),
    *_types("payout", ShownPayout, PAYOUTS, payouts),
    WebhookType(
        "payout.failed", "A payout did not go out: it is held or was rejected.", ShownPayout, stopped_payouts
    ),
    WebhookType("ping", "Somebody pressed the test button.", Ping, None),
)
