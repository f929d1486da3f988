"""The one next step of an advocate, chosen purely from how things stand."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["term", "learn", "renew", "wait", "policy", "link", "payouts", "share"]


@dataclass(frozen=True)
class Learning:
    """The lesson or quiz that comes next."""

    title: str
    url: str
    minutes: int


@dataclass(frozen=True)
class Situation:
    """How things stand for one membership."""

    active: bool
    """in term and in good standing"""
    certified: bool
    learning: Learning | None
    """None when nothing is left to learn, or nothing has begun"""
    finished: bool
    """everything of the latest enrolment is done"""
    policies: tuple[tuple[str, str], ...]
    """(title, version id) of what is not acknowledged"""
    has_link: bool
    pays_money: bool
    money_waits: bool
    """there are rewards in money, and no account that could receive them"""


@dataclass(frozen=True)
class NextStep:
    """What to do next and where; `title` names the lesson, quiz or policy."""

    kind: Kind
    href: str
    title: str = ""
    minutes: int = 0


@dataclass(frozen=True)
class Milestone:
    """A part of the way from the first lesson to the first payout."""

    kind: Literal["certification", "policy", "link", "payouts"]
    done: bool
    href: str


def next_step(situation: Situation) -> NextStep:
    """The one thing to do: get certified, acknowledge, open the first link, say where to be paid, then share."""
    if not situation.active:
        return NextStep("term", "/portal/profile")
    if not situation.certified:
        return _towards_certification(situation)
    if situation.policies:
        title, version_id = situation.policies[0]
        return NextStep("policy", f"/portal/policies/{version_id}", title)
    if not situation.has_link:
        return NextStep("link", "/portal/links")
    if situation.pays_money and situation.money_waits:
        return NextStep("payouts", "/portal/rewards/account")
    return NextStep("share", "/portal/links")


def _towards_certification(situation: Situation) -> NextStep:
    if situation.learning is not None:
        step = situation.learning
        return NextStep("learn", step.url, step.title, step.minutes)
    return NextStep("renew" if situation.finished else "wait", "/portal/learn")


def milestones(situation: Situation, *, paid_out: bool) -> list[Milestone]:
    """The way to the first payout; `paid_out` says that an account is there to be paid to."""
    policy = f"/portal/policies/{situation.policies[0][1]}" if situation.policies else "/portal/links"
    way = [
        Milestone("certification", situation.certified, "/portal/learn"),
        Milestone("policy", not situation.policies, policy),
        Milestone("link", situation.has_link, "/portal/links"),
    ]
    return [*way, Milestone("payouts", paid_out, "/portal/rewards/account")] if situation.pays_money else way
