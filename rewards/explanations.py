"""Every line can be explained on one page: the fact, whose it might have been, the rule, the arithmetic, who decided, what was booked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select

from advocates.activities import Activity
from advocates.membership import Membership, get_membership
from core.access import CLOCK, RULE
from core.db import session
from core.money import Money
from core.people import Person, get_person
from hub.programmes import Programme, get_programme
from referrals.conversions.conversions import AttributionCandidate, Conversion, candidates_of
from referrals.fraud.fraud_cases import FraudCase, find_case
from rewards.approvals.approvals import needs_second, waits_for_second
from rewards.ledger import journal
from rewards.ledger.journal import Booked
from rewards.payouts.runs import Payout, PayoutRun
from rewards.reward import Reward, RewardReversal
from rewards.rules import rules
from rewards.rules.customer_rewards import CustomerReward, find_given
from rewards.rules.rules import RewardRule
from rewards.taking_back.below import lines_below, worth


@dataclass(frozen=True)
class Approval:
    """Who approved, when."""

    name: str
    at: datetime


@dataclass(frozen=True)
class Explanation:
    """All there is to say about a reward."""

    reward: Reward
    membership: Membership
    person: Person
    programme: Programme
    conversion: Conversion | None
    activity: Activity | None
    """what was handed in and accepted"""
    candidates: Sequence[AttributionCandidate]
    rule: RewardRule | None
    rule_says: str
    reversals: Sequence[RewardReversal]
    below: Sequence[Reward]
    """the lines that take from it, or give it again"""
    worth: Money
    """what it stands for with them"""
    parent: Reward | None
    approvals: Sequence[Approval]
    needs_second: bool
    waits_for_second: bool
    case: FraudCase | None
    """signs of fraud, and what became of their review"""
    customer_reward: CustomerReward | None
    """what the customer got for it"""
    payout: Payout | None
    run: PayoutRun | None
    booked: Sequence[Booked]
    """every movement of it in the ledger, and of its payout as a whole"""


def explain(reward: Reward) -> Explanation:
    """Everything behind a reward."""
    membership = get_membership(reward.membership_id)
    programme = get_programme(reward.programme_id)
    conversion = session().get(Conversion, reward.conversion_id) if reward.conversion_id else None
    rule = session().get(RewardRule, reward.rule_id) if reward.rule_id else None
    payout = session().get(Payout, reward.payout_id) if reward.payout_id else None
    return Explanation(
        reward=reward,
        membership=membership,
        person=get_person(membership.person_id),
        programme=programme,
        conversion=conversion,
        activity=session().get(Activity, reward.activity_id) if reward.activity_id else None,
        candidates=candidates_of([conversion.id])[conversion.id] if conversion else (),
        rule=rule,
        rule_says=rules.sentence(rule) if rule else "",
        reversals=_reversals(reward),
        below=lines_below(reward),
        worth=Money(worth(reward), reward.currency),
        parent=session().get(Reward, reward.parent_id) if reward.parent_id else None,
        approvals=_approvals(reward),
        needs_second=reward.kind == "earned" and needs_second(reward, programme),
        waits_for_second=waits_for_second(reward),
        case=find_case(conversion.id, membership.id) if conversion else None,
        customer_reward=find_given(conversion.id) if conversion else None,
        payout=payout,
        run=session().get(PayoutRun, payout.run_id) if payout else None,
        booked=journal.about([each for each in (reward.id, reward.payout_id) if each]),
    )


def _reversals(reward: Reward) -> list[RewardReversal]:
    wanted = select(RewardReversal).where(RewardReversal.reward_id == reward.id)
    return list(session().exec(wanted.order_by(col(RewardReversal.at), col(RewardReversal.id))).all())


def _approvals(reward: Reward) -> list[Approval]:
    given = ((reward.approved_by, reward.approved_at), (reward.second_approved_by, reward.second_approved_at))
    return [Approval(name_of(who), at) for who, at in given if who is not None and at is not None]


def name_of(actor_id: str) -> str:
    """What to call whoever acted: a person, or us."""
    if actor_id in {RULE.id, CLOCK.id}:
        return RULE.name
    person = session().get(Person, actor_id)
    return person.name if person else actor_id
