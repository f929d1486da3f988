"""A campaign: one link for every advocate of a programme who may earn; seen first, then done once."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlmodel import col, select

from advocates import tiers
from advocates.membership import Membership
from advocates.tiers import Tier
from core import audit
from core.access import Actor
from core.clock import now
from core.db import session
from core.errors import Conflict, Invalid
from core.people import Person
from hub.programmes import Programme
from referrals.conversions.rights import missing_in
from referrals.links import destinations, tier_campaigns
from referrals.links.link_dates import require_dates
from referrals.links.links import MOST_LINKS, Link, next_version
from referrals.links.many_links import NewOne, links_held, open_all
from referrals.links.tier_campaigns import shape_of

Verdict = Literal["gets", "later", "has", "tier", "term", "certification", "policy", "full"]
MOST = 2_000
"""links opened in one step; who comes after them gets theirs in the next"""


@dataclass(frozen=True)
class Campaign:
    """What each link of a campaign is; `ends_at` None: until somebody ends it."""

    name: str
    destination: str
    starts_at: datetime
    ends_at: datetime | None
    tier: str = ""
    """for advocates of this tier and those above it only; empty: for all"""


@dataclass(frozen=True)
class Effect:
    """What a campaign does to one advocate: a link (`gets`, or `later` in the next step), or why not."""

    membership_id: str
    number: int
    name: str
    verdict: Verdict


@dataclass(frozen=True)
class Preview:
    """What a campaign would do, to whom; `digest` stands for exactly this."""

    campaign: Campaign
    effects: Sequence[Effect]
    kept_for: str
    """the tier that the campaign was for until now, when it is for others from now on; empty: nothing changes"""
    digest: str

    def of(self, verdict: Verdict) -> list[Effect]:
        """Those with this verdict, by number."""
        return [each for each in self.effects if each.verdict == verdict]


class CampaignNeedsName(Invalid):
    """A campaign needs a name."""


class NoSuchTier(Invalid):
    """This programme has no tier of that name."""


class EffectChanged(Conflict):
    """Since you looked, something changed for these advocates. Nothing was done; please look again."""


def preview(programme: Programme, wanted: Campaign) -> Preview:
    """What a campaign would do now. Raises CampaignNeedsName, NoSuchTier, StartsTooEarly, EndsTooEarly and what destinations refuse."""
    if not wanted.name:
        raise CampaignNeedsName
    require_dates(wanted.starts_at, wanted.ends_at)
    campaign = Campaign(
        wanted.name,
        destinations.allowed(wanted.destination, programme.allowed_hosts),
        wanted.starts_at,
        wanted.ends_at,
        wanted.tier,
    )
    effects, kept_for = _effects(programme, campaign), _kept_for(programme, campaign)
    return Preview(campaign, effects, kept_for, _digest(programme, campaign, effects, kept_for))


def launch(programme: Programme, wanted: Campaign, *, digest: str, by: Actor) -> list[Link]:
    """Open the links that the preview with this digest showed; raises EffectChanged when it would be others now."""
    version = next_version()  # locks: two launches at once are one after the other
    found = preview(programme, wanted)
    if found.digest != digest:
        raise EffectChanged
    campaign = found.campaign
    links = [
        NewOne(
            membership_id=each.membership_id,
            name=each.name,
            code=None,
            destination=campaign.destination,
            campaign=campaign.name,
            coupon=None,
            starts_at=campaign.starts_at,
            ends_at=campaign.ends_at,
        )
        for each in found.of("gets")
    ]
    opened = open_all(programme, links, by=by, version=version)
    tier_campaigns.keep(programme.id, campaign.name, _asked(programme, campaign.tier))
    audit.record(
        by,
        "campaign.launched",
        "programme",
        programme.id,
        unit_id=programme.unit_id,
        details={
            "campaign": campaign.name,
            "destination": campaign.destination,
            "tier": campaign.tier,
            "links": len(opened),
        },
    )
    return opened


def _effects(programme: Programme, campaign: Campaign) -> list[Effect]:
    members = select(Membership.id, Membership.number, Person.name).where(
        Membership.programme_id == programme.id, Membership.person_id == Person.id
    )
    missing, held = missing_in(programme, now()), links_held(programme)
    have = _having(programme, campaign)
    tier = _asked(programme, campaign.tier)
    reached = None if tier is None else tier_campaigns.reaching(tier)
    effects, getting = [], 0
    for member, number, name in session().exec(members.order_by(col(Membership.number))):
        verdict: Verdict = "gets" if getting < MOST else "later"
        if member in have:
            verdict = "has"
        elif reached is not None and member not in reached:
            verdict = "tier"
        elif missing[member]:
            verdict = missing[member][0]
        elif held[member] >= MOST_LINKS:
            verdict = "full"
        getting += verdict == "gets"
        effects.append(Effect(member, number, name, verdict))
    return effects


def _having(programme: Programme, campaign: Campaign) -> set[str]:
    """The members with a link of this campaign, however its name is written."""
    here = Link.programme_id == programme.id
    names = session().exec(select(Link.campaign).where(here).distinct())
    same = [each for each in names if shape_of(each) == shape_of(campaign.name)]
    return set(session().exec(select(Link.membership_id).where(here, col(Link.campaign).in_(same))))


def _kept_for(programme: Programme, campaign: Campaign) -> str:
    kept = tier_campaigns.kept_in(programme.id).get(shape_of(campaign.name))
    return "" if kept is None or kept.tier.casefold() == campaign.tier.casefold() else kept.tier


def _asked(programme: Programme, name: str) -> Tier | None:
    """The tier of this name, None where no tier is asked for. Raises NoSuchTier."""
    if not name:
        return None
    for each in tiers.tiers_of(programme.id):
        if each.name.casefold() == name.casefold():
            return each
    raise NoSuchTier


def _digest(programme: Programme, campaign: Campaign, effects: Sequence[Effect], kept_for: str) -> str:
    """Of the campaign as it was asked for, of what ends and of who gets a link; a start that means `now` is any now."""
    shown = {
        "programme": programme.id,
        "name": campaign.name,
        "destination": campaign.destination,
        "starts": campaign.starts_at.isoformat() if campaign.starts_at > now() else "now",
        "tier": campaign.tier,
        "kept_for": kept_for,
        "ends": campaign.ends_at.isoformat() if campaign.ends_at else None,
        "gets": [each.membership_id for each in effects if each.verdict == "gets"],
    }
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()
