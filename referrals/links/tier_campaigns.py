"""Campaigns that were launched for a tier: whoever has not reached it opens no link with their name, however it is written."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Text, UniqueConstraint, delete
from sqlmodel import Field, SQLModel, col, select

from advocates import tiers
from advocates.tiers import Tier
from core.clock import now
from core.columns import key, moment
from core.db import run, session
from core.errors import Invalid


class TierCampaign(SQLModel, table=True):
    """A campaign of a programme that is for a tier and those above it."""

    __tablename__ = "tier_campaign"
    __table_args__ = (UniqueConstraint("programme_id", "shape"),)

    id: str = key()
    programme_id: str = Field(foreign_key="programme.id", sa_type=Text)
    shape: str = Field(sa_type=Text)
    """the campaign's name as `shape_of` writes it"""
    tier_id: str = Field(foreign_key="tier.id", sa_type=Text)
    launched_at: datetime = moment(now)


class ForATier(Invalid):
    """This campaign is for a tier that this advocate does not have."""


@dataclass(frozen=True)
class Kept:
    """Whom a campaign is for."""

    tier: str
    members: frozenset[str]


def shape_of(name: str) -> str:
    """A campaign's name without what the eye overlooks: case, forms of letters, spaces at the ends and in rows."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def keep(programme_id: str, name: str, tier: Tier | None) -> None:
    """From now on the campaign is for this tier and those above it; without one it is for all."""
    before = delete(TierCampaign).where(
        col(TierCampaign.programme_id) == programme_id, col(TierCampaign.shape) == shape_of(name)
    )
    run(before)  # the newest launch says whom it is for
    if tier is not None:
        session().add(TierCampaign(programme_id=programme_id, shape=shape_of(name), tier_id=tier.id))
        session().flush()


def kept_in(programme_id: str) -> Mapping[str, Kept]:
    """Shape of a campaign's name → whom it is for, of those of a programme that are not for all."""
    mine = select(TierCampaign.shape, Tier).where(
        TierCampaign.programme_id == programme_id, TierCampaign.tier_id == Tier.id
    )
    return {shape: Kept(tier.name, reaching(tier)) for shape, tier in session().exec(mine)}


def reaching(tier: Tier) -> frozenset[str]:
    """The memberships that have this tier, or one above it, now."""
    return tiers.members_at(each.id for each in tiers.tiers_of(tier.programme_id) if each.place >= tier.place)


def require(kept: Mapping[str, Kept], membership_id: str, campaign: str) -> None:
    """Refuse a link of a campaign that is for a tier the advocate has not reached; raises ForATier."""
    found = kept.get(shape_of(campaign))
    if found is not None and membership_id not in found.members:
        raise ForATier(f"The campaign {campaign} is for the tier {found.tier} and those above it.")
