"""The advocate's home: part of the portal's door, so it reads every package."""

from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from advocates import tiers
from advocates.membership import Membership, active_at, current_standing, current_term
from core.people import Person, get_person
from core.settings import settings
from curriculum.certification import current_award
from curriculum.progress import Progress, progress_for
from hub import policies
from hub.home_figures_page import has_earned_money, last_months, latest_rewards, rank_of
from hub.next_step import Learning, Situation, milestones, next_step
from hub.programmes import Programme, get_programme
from referrals.conversions.rights import right_to_earn
from referrals.links.links import Link, links_of
from rewards.payouts import accounts, in_kind, paid_to

NOON, EVENING, MORNING = 12, 18, 5


def home_of(member: Membership, at: datetime) -> dict[str, Any]:
    """Everything that portal/hub/home.html shows of a membership at a moment."""
    person, programme = get_person(member.person_id), get_programme(member.programme_id)
    progress = progress_for(member.id)
    award = current_award(member.person_id, programme.certification_slug, at)
    link = newest_running(member.id, at)
    account = paid_to.standing_of(member)
    rewards = latest_rewards(member.id)
    situation = _situation(
        member, programme, progress, link, at, certified=award is not None, account=account
    )
    return {
        "member": member,
        "name": first_name(person),
        "part_of_day": part_of_day(at, person.time_zone),
        "programme": programme,
        "step": next_step(situation),
        "way": milestones(situation, paid_out=account == "ready"),
        "progress": progress,
        "award": award,
        "standing": current_standing(member.id).state,
        "tier": tiers.tier_of(member.id),
        "tier_above": tiers.next_of(member),
        "term": current_term(member.id),
        "link": link,
        "share_address": f"{settings().address}/r/{link.code}" if link else None,
        "missing": right_to_earn(member.id, at).missing,
        "months": last_months(member, programme.currency, at),
        "rank": rank_of(member, at),
        "rewards": rewards,
        "given_as": in_kind.given_as(each.payout_id for each in rewards),
    }


def _situation(
    member: Membership,
    programme: Programme,
    progress: Progress | None,
    link: Link | None,
    at: datetime,
    *,
    certified: bool,
    account: accounts.Standing,
) -> Situation:
    open_policies = policies.unacknowledged(member.person_id, programme.id, at)
    return Situation(
        active=active_at(member.id, at),
        certified=certified,
        learning=_learning(progress),
        finished=progress is not None and progress.complete,
        policies=tuple((policy.title, version.id) for policy, version in open_policies),
        has_link=link is not None,
        pays_money=programme.compensation == "cash",
        money_waits=account != "ready" and has_earned_money(member.id),
    )


def _learning(progress: Progress | None) -> Learning | None:
    if progress is None or progress.next_url is None:
        return None
    return Learning(progress.next_title or progress.title, progress.next_url, progress.next_minutes or 0)


def newest_running(membership_id: str, at: datetime) -> Link | None:
    """The newest link of a member that forwards at a moment."""
    return next((link for link in links_of(membership_id) if link.runs_at(at)), None)


def first_name(person: Person) -> str:
    """What we greet somebody with: the first word of their name."""
    return (person.name.split() or [person.name])[0]


def part_of_day(at: datetime, time_zone: str) -> Literal["morning", "afternoon", "evening"]:
    """The part of the day it is where somebody is."""
    hour = at.astimezone(ZoneInfo(time_zone)).hour
    if MORNING <= hour < NOON:
        return "morning"
    return "afternoon" if NOON <= hour < EVENING else "evening"
