"""What a programme adds to the share kit: words of its own, checked for the disclosure, and pages to look at or use."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import get_args

from sqlalchemy import Text
from sqlmodel import Field, SQLModel, col, func, select

from core import audit
from core.access import Actor
from core.clock import now
from core.columns import key, moment, one_of, word
from core.db import session
from core.errors import Conflict, Invalid, NotFound
from hub.destinations import HostNotAllowed, WrongDestination, allowed
from hub.programmes import Programme
from referrals.links.links_in_words import links_in
from referrals.links.sharekit import (
    ADDRESS,
    COMPANY,
    Channel,
    ChannelName,
    disclosure_problem,
    share_kit,
)

MOST = 100
"""texts, and assets, that a programme keeps"""
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")


class ShareWords(SQLModel, table=True):
    """A text of a programme for a channel; `{address}` stands for the link, `{company}` for the programme's name."""

    __tablename__ = "share_words"
    __table_args__ = (one_of("channel", get_args(ChannelName)),)

    id: str = key()
    programme_id: str = Field(foreign_key="programme.id", index=True, sa_type=Text)
    channel: ChannelName = word()
    text: str = Field(sa_type=Text)
    made_at: datetime = moment(now)


class ShareAsset(SQLModel, table=True):
    """Something to share with or from: a picture, a film, a page, on one of the programme's hosts."""

    __tablename__ = "share_asset"

    id: str = key()
    programme_id: str = Field(foreign_key="programme.id", index=True, sa_type=Text)
    title: str = Field(sa_type=Text)
    address: str = Field(sa_type=Text)
    made_at: datetime = moment(now)


class NoDisclosure(Invalid):
    """Begin with a disclosure: #ad, “Ad:” or “I’m rewarded by …”."""


class NoAddress(Invalid):
    """Write {address} where the link belongs: each advocate gets their own there."""


class NoSuchPlaceholder(Invalid):
    """The placeholders are {address} and {company}."""


class ForeignAddress(Invalid):
    """Write addresses on the programme's hosts only; {address} stands for each advocate's link."""


class NotThere(NotFound):
    """This is not in the share kit any more."""


class KitFull(Conflict):
    """A programme keeps up to 100 texts and 100 assets. Take one away first."""


def add_words(programme: Programme, channel: ChannelName, text: str, *, by: Actor) -> ShareWords:
    """Give a programme a text of its own for a channel; raises NoDisclosure, NoAddress, NoSuchPlaceholder, ForeignAddress, KitFull."""
    problem = disclosure_problem(text.replace(COMPANY, programme.name))
    if problem is not None:
        raise NoDisclosure(problem)
    if ADDRESS not in text:
        raise NoAddress
    unknown = [each for each in _PLACEHOLDER.findall(text) if each not in {ADDRESS, COMPANY}]
    if unknown:
        raise NoSuchPlaceholder(f"There is no placeholder {unknown[0][:40]}. {NoSuchPlaceholder.__doc__}")
    _require_own_hosts(text, programme)
    _require_room(ShareWords, programme)
    made = ShareWords(programme_id=programme.id, channel=channel, text=text)
    _keep(made, programme, by=by, action="share_kit.words_added", details={"channel": channel, "text": text})
    return made


def add_asset(programme: Programme, title: str, address: str, *, by: Actor) -> ShareAsset:
    """Give a programme an asset; raises WrongDestination, HostNotAllowed, KitFull."""
    _require_room(ShareAsset, programme)
    found = allowed(address, programme.allowed_hosts)
    made = ShareAsset(programme_id=programme.id, title=title, address=found)
    _keep(made, programme, by=by, action="share_kit.asset_added", details={"title": title, "address": found})
    return made


def take_away(programme: Programme, row_id: str, *, by: Actor) -> None:
    """Take a text or an asset out of a programme's kit; raises NotThere."""
    row = session().get(ShareWords, row_id) or session().get(ShareAsset, row_id)
    if row is None or row.programme_id != programme.id:
        raise NotThere
    session().delete(row)
    session().flush()
    what = row.model_dump(include={"channel", "text", "title", "address"})
    audit.record(
        by, "share_kit.taken_away", "programme", programme.id, unit_id=programme.unit_id, details=what
    )


def words_of(programme_id: str) -> Sequence[ShareWords]:
    """The texts of a programme, in the order in which they were written."""
    wanted = select(ShareWords).where(ShareWords.programme_id == programme_id)
    return session().exec(wanted.order_by(col(ShareWords.id)).limit(MOST)).all()


def assets_of(programme_id: str) -> Sequence[ShareAsset]:
    """The assets of a programme, in the order in which they were added."""
    wanted = select(ShareAsset).where(ShareAsset.programme_id == programme_id)
    return session().exec(wanted.order_by(col(ShareAsset.id)).limit(MOST)).all()


def kit_for(programme: Programme, address: str) -> tuple[Channel, ...]:
    """The share kit of a programme for a link's address: its own words first."""
    own: dict[ChannelName, list[str]] = {}
    for each in words_of(programme.id):
        own.setdefault(each.channel, []).append(each.text)
    return share_kit(programme.name, address, own)


def _require_own_hosts(text: str, programme: Programme) -> None:
    for each in links_in(text):
        address = f"https://{each}" if "://" not in each else each
        try:
            allowed(address, programme.allowed_hosts)
        except (WrongDestination, HostNotAllowed) as error:
            hosts = ", ".join(programme.allowed_hosts)
            raise ForeignAddress(f"“{each[:100]}” is not on a host of this programme: {hosts}.") from error


def _require_room(table: type[ShareWords | ShareAsset], programme: Programme) -> None:
    if session().exec(select(func.count()).where(table.programme_id == programme.id)).one() >= MOST:
        raise KitFull


def _keep(
    row: ShareWords | ShareAsset, programme: Programme, *, by: Actor, action: str, details: dict[str, str]
) -> None:
    session().add(row)
    session().flush()
    audit.record(by, action, "programme", programme.id, unit_id=programme.unit_id, details=details)
