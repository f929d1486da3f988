"""What is kept of a visitor: a hash that nobody can undo after two days, a class of device, where they came from."""

import hashlib
import re
import secrets
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import IPv6Address, ip_network
from urllib.parse import urlsplit

from crawleruseragents import is_crawler
from sqlalchemy import Integer, Text, delete
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Field, SQLModel, col, select

from core.clock import day_number, now
from core.columns import moment
from core.db import dialect, run, session

SALT_LIVES = timedelta(hours=48)
KEPT_AGENTS = 4_096
AGENT_LENGTH = 512
BROWSERS = ("Mozilla/", "Opera/", "UCWEB/")
"""how every browser begins to say what it is; libraries, apps that fetch ahead and scripts say something else"""
CONTACT = re.compile(r"Mozilla/5\.0 \(compatible; [^)]*\+(?:https?|mailto):")
"""how machines say whom to ask about them, which no browser does; the list does not have each of them"""
HASH_BYTES = 12
_HOST = re.compile(r"[a-z0-9.:-]{1,253}")


class DailySalt(SQLModel, table=True):
    """What a day's visitor hashes are salted with; without it they say nothing any more."""

    __tablename__ = "daily_salt"

    day: int = Field(primary_key=True, sa_type=Integer)
    """YYYYMMDD, UTC"""
    salt: str = Field(sa_type=Text)
    made_at: datetime = moment(now)


def salts(*days: int) -> dict[int, bytes]:
    """The salts of these days, made by whoever asks first."""
    insert = pg_insert if dialect() == "postgresql" else sqlite_insert
    rows = [{"day": day, "salt": secrets.token_hex(16), "made_at": now()} for day in days]
    session().execute(insert(DailySalt).on_conflict_do_nothing(), rows)
    wanted = select(DailySalt).where(col(DailySalt.day).in_(days))
    return {row.day: bytes.fromhex(row.salt) for row in session().exec(wanted)}


def forget_salts() -> int:
    """Destroy the salts of days that began more than 48 hours ago; answers how many."""
    return run(delete(DailySalt).where(col(DailySalt.day) <= day_number(now() - SALT_LIVES)))


def salted(salt: bytes) -> hashlib.blake2b:
    """A hash that has taken in a day's salt."""
    return hashlib.blake2b(digest_size=HASH_BYTES, key=salt)


def visitor_hash(day: hashlib.blake2b, address: str, agent: str) -> str:
    """24 hex digits over the truncated address and the user agent, by the day's salted hash."""
    hashing = day.copy()
    hashing.update(f"{truncated(address)}\n{agent}".encode(errors="replace"))
    return hashing.hexdigest()


def truncated(address: str) -> str:
    """The network of an address: 24 bits of IPv4, 48 of IPv6; empty when it is none."""
    if ":" not in address:
        return address.rpartition(".")[0]
    try:
        six = IPv6Address(address.partition("%")[0])
    except ValueError:
        return ""
    if six.ipv4_mapped is not None:
        return str(six.ipv4_mapped).rpartition(".")[0]
    return str(ip_network((six, 48), strict=False).network_address)


def client_address(peer: str, forwarded: str, hops: int) -> str:
    """Who asks: what the outermost of exactly `hops` trusted proxies saw, else the peer itself."""
    if not hops or not forwarded:
        return peer
    seen = forwarded.split(",")
    return seen[-hops].strip() if len(seen) >= hops else peer


@lru_cache(maxsize=KEPT_AGENTS)
def device_of(agent: str) -> str:
    """`bot` (a known crawler, unfurler or script, and whatever does not begin as browsers do), `tablet`, `mobile`, `desktop`."""
    if not agent.startswith(BROWSERS) or CONTACT.match(agent) or is_crawler(agent, case_sensitive=False):
        return "bot"
    if "iPad" in agent or "Tablet" in agent or ("Android" in agent and "Mobi" not in agent):
        return "tablet"
    return "mobile" if "Mobi" in agent else "desktop"


@lru_cache(maxsize=KEPT_AGENTS)
def referrer_host(referrer: str) -> str:
    """The host of a referrer, lower case; empty when there is none to be had."""
    try:
        host = (urlsplit(referrer).hostname or "").lower()
    except ValueError:
        return ""
    return host if _HOST.fullmatch(host) else ""
