"""What is known about conversions when they are assessed: a few indexed queries for many of them at once.

From a conversion's metadata (docs/integrators.md): `card_fingerprint`, `device_hash`, `email_domain`,
`email_normalized_sha256`.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select as select_columns
from sqlalchemy import tuple_
from sqlmodel import col, select

from advocates.membership import Membership
from core.db import session
from core.people import Person
from hub.programmes import Programme
from hub.roles import staff_of
from hub.units import places
from referrals.clicks.clicks import Click
from referrals.conversions.conversion_input import NORMALISED
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion
from referrals.conversions.same_order import related
from referrals.conversions.won import Holder, holders_of
from referrals.fraud import fraud_addresses, fraud_counts, fraud_traces
from referrals.fraud.fraud import Evidence
from referrals.fraud.fraud_counts import Held
from referrals.fraud.fraud_traces import LATE, Alike, Kind, Trace

HOUR = timedelta(hours=1)
SAME_ORDER = timedelta(days=2)
"""so far apart two shops may put the moment of one order"""
LONGEST_WORD = 200
Fingerprints = Callable[[Sequence[str]], Mapping[str, frozenset[str]]]
_paid_to: list[Fingerprints] = []


def fingerprints_from(known: Fingerprints) -> None:
    """Say who knows the fingerprints (person → cards and accounts) that people are paid to; the last one counts."""
    _paid_to[:] = [known]


@dataclass
class Sources:
    """Everything that was read for a set of conversions."""

    emails: dict[str, str] = field(default_factory=dict)
    """membership → the advocate's address"""
    units: dict[str, str] = field(default_factory=dict)
    """membership → its unit"""
    sharing: frozenset[str] = frozenset()
    """memberships in programmes that share"""
    paid_to: dict[str, frozenset[str]] = field(default_factory=dict)
    alike: dict[tuple[str, str, Kind], Alike] = field(default_factory=dict)
    moments: dict[str, list[datetime]] = field(default_factory=dict)
    """membership → when its conversions around these happened, in order"""
    fastest: dict[str, list[int]] = field(default_factory=dict)
    """membership → for each of these how many there are in the hour that begins with it"""
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    """membership → thirty, sales, given_back, by_click, clicks"""
    accounts: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """(unit, customer) → hashes of the addresses with which they ordered"""
    twins: frozenset[str] = frozenset()
    """conversions beside which another unit told one of the same number that the same advocate won"""
    staff: dict[str, frozenset[str]] = field(default_factory=dict)
    """unit → hashes of the forms of its staff's addresses"""


def evidence_of(conversions: Sequence[Conversion]) -> list[tuple[Holder, Evidence]]:
    """Everybody who has a part of these, with the evidence about it; traces are kept, and those of own purchases."""
    candidates = _candidates(conversions)
    holders = holders_of(conversions, candidates)
    traces = _traces(conversions, candidates, holders, _hashes(holders))
    fraud_traces.keep(traces)
    members = sorted({each.membership_id for each in holders})
    shared = {each.membership_id for each in holders if each.conversion.shared}
    sources = Sources(
        alike=fraud_traces.alike(each for each in traces if not each.is_own and each.value != LATE)
    )
    _read_people(sources, members)
    held = [each.conversion for each in holders if each.was_last]
    _read_counts(sources, Held(members, sorted(sources.sharing | shared)), held)
    sources.accounts = _accounts(held)
    sources.twins = _twins(held)
    sources.staff = {each: _staff(each) for each in {sources.units[member] for member in members}}
    return [(each, _evidence(each, sources)) for each in holders]


def _evidence(holder: Holder, sources: Sources) -> Evidence:
    """About the buyer alone (a colleague, a throw-away address) only with the last touch: one look at them is enough."""
    conversion, member, touch = holder.conversion, holder.membership_id, holder.touch
    own = fraud_addresses.forms_of(sources.emails[member])
    told = {conversion.email_sha256, word(conversion, NORMALISED).lower()} - {""}
    card = word(conversion, "card_fingerprint")
    nothing = Alike(0, 0, own_purchase=False)
    device = sources.alike.get((*holder.place, "device"), nothing)
    counts = sources.counts.get(member, {})
    place = (conversion.unit_id, conversion.customer_id)
    by_click = touch is not None and touch.source == "click"
    return Evidence(
        own_email=bool(told & own),
        own_account=bool(sources.accounts.get(place, set()) & own) and not told & own,
        own_card=sources.alike.get((*holder.place, "card"), nothing).own_purchase,
        own_payout=bool(card) and card in sources.paid_to.get(member, frozenset()),
        own_staff=holder.was_last and bool(told & sources.staff[sources.units[member]]) and not told & own,
        told_twice=holder.was_last and conversion.id in sources.twins,
        disposable_domain=holder.was_last and fraud_addresses.is_disposable(word(conversion, "email_domain")),
        after_click=conversion.occurred_at - touch.at if touch and by_click else None,
        in_an_hour=_in_an_hour(conversion.occurred_at, sources, member),
        in_thirty_days=counts.get("thirty", 0),
        clicks=counts.get("clicks", 0),
        by_click=counts.get("by_click", 0) if by_click else 0,
        sales=counts.get("sales", 0),
        given_back=counts.get("given_back", 0),
        device_repeats=device.mine,
        device_advocates=device.advocates,
    )


def word(conversion: Conversion, name: str) -> str:
    """A word of a conversion's metadata; empty where it says none."""
    said = conversion.details.get(name)
    return said.strip()[:LONGEST_WORD] if isinstance(said, str) else ""


def _fastest(moments: Sequence[datetime]) -> list[int]:
    """For each moment how many there are in the hour that begins with it."""
    return [bisect_left(moments, each + HOUR) - place for place, each in enumerate(moments)]


def _in_an_hour(moment: datetime, sources: Sources, member: str) -> int:
    """How many happened in the fullest hour that a moment is in."""
    moments, fastest = sources.moments.get(member, []), sources.fastest.get(member, [])
    hours = fastest[bisect_right(moments, moment - HOUR) : bisect_right(moments, moment)]
    return max(hours, default=0)


def _candidates(conversions: Sequence[Conversion]) -> list[AttributionCandidate]:
    ids = [each.id for each in conversions]
    wanted = select(AttributionCandidate).where(col(AttributionCandidate.conversion_id).in_(ids))
    return list(session().exec(wanted).all())


def _hashes(holders: Sequence[Holder]) -> dict[str, str]:
    """Click → the hash of its visitor, of the clicks that won and are in the database, or were when somebody looked before."""
    clicked = {each.place: click for each in holders if (click := _click_of(each))}
    wanted = select(Click.id, Click.visitor_hash).where(col(Click.id).in_(clicked.values()))
    found = dict(session().exec(wanted).all())
    seen = {place: click for place, click in clicked.items() if click not in found}
    return found | {seen[place]: value for place, value in fraud_traces.devices_of(seen).items()}


def _click_of(holder: Holder) -> str:
    """The click that won it for them; empty when it was none."""
    return holder.touch.given if holder.touch and holder.touch.source == "click" else ""


def _traces(
    conversions: Sequence[Conversion],
    candidates: Sequence[AttributionCandidate],
    holders: Sequence[Holder],
    hashes: Mapping[str, str],
) -> list[Trace]:
    """The card and device of each conversion with who has it, and the card of an own purchase with its advocate."""
    found = []
    for each in holders:
        order = each.conversion
        words: dict[Kind, str] = {
            "card": word(order, "card_fingerprint"),
            "device": _device(each, hashes),
        }
        found += [_trace(order, each.membership_id, kind, value) for kind, value in words.items() if value]
    orders = {each.id: each for each in conversions}
    own = {(each.conversion_id, each.membership_id) for each in candidates if each.verdict == "own purchase"}
    for conversion_id, member in sorted(own - {each.place for each in holders}, key=str):
        card = word(orders[conversion_id], "card_fingerprint")
        if card and member:
            found.append(_trace(orders[conversion_id], member, "card", card, is_own=True))
    return found


def _device(holder: Holder, hashes: Mapping[str, str]) -> str:
    """A shop's word with the order's day; a click's own hash has its day in its salt, and orders come after midnight, too."""
    told, click = word(holder.conversion, "device_hash"), _click_of(holder)
    if told:
        return f"{holder.conversion.day} {told}"
    return hashes.get(click, LATE) if click else ""


def _trace(
    conversion: Conversion, membership_id: str, kind: Kind, value: str, *, is_own: bool = False
) -> Trace:
    return Trace(conversion.id, membership_id, kind, value, is_own, conversion.occurred_at)


def _read_people(sources: Sources, members: Sequence[str]) -> None:
    wanted = (
        select_columns(
            col(Membership.id),
            col(Membership.unit_id),
            col(Programme.attribution_rule),
            col(Person.id),
            col(Person.email),
        )
        .join(Person, col(Person.id) == col(Membership.person_id))
        .join(Programme, col(Programme.id) == col(Membership.programme_id))
        .where(col(Membership.id).in_(members))
    )
    rows = session().execute(wanted).all()
    known = _paid_to[0]([person for _member, _unit, _rule, person, _email in rows]) if _paid_to else {}
    for member, unit, _rule, person, email in rows:
        sources.units[member], sources.emails[member] = unit, email
        sources.paid_to[member] = known.get(person, frozenset())
    sources.sharing = frozenset(member for member, _unit, rule, _person, _email in rows if rule == "split")


def _read_counts(sources: Sources, held: Held, conversions: Sequence[Conversion]) -> None:
    if not held.members:
        return
    first = min(each.occurred_at for each in conversions) - HOUR
    last = max(each.occurred_at for each in conversions) + HOUR
    sources.moments = fraud_counts.moments_of(held, first, last)
    sources.fastest = {member: _fastest(moments) for member, moments in sources.moments.items()}
    sources.counts = fraud_counts.counts_of(held)


def _accounts(conversions: Sequence[Conversion]) -> dict[tuple[str, str], set[str]]:
    """(unit, customer) → hashes of the addresses with which that customer ordered."""
    places = sorted({(each.unit_id, each.customer_id) for each in conversions if each.customer_id})
    same: Any = tuple_(col(Conversion.unit_id), col(Conversion.customer_id)).in_(places)
    named = select_columns(
        col(Conversion.unit_id), col(Conversion.customer_id), col(Conversion.email_sha256)
    ).where(same, col(Conversion.email_sha256) != "")
    found: dict[tuple[str, str], set[str]] = {}
    for unit, customer, digest in session().execute(named.distinct()):
        found.setdefault((unit, customer), set()).add(digest)
    return found


def _staff(unit_id: str) -> frozenset[str]:
    return frozenset().union(*(fraud_addresses.forms_of(each.email) for each in staff_of(unit_id)))


def _twins(conversions: Sequence[Conversion]) -> frozenset[str]:
    """Those beside which a shop of a unit above or below told a sale of the same number that the same advocate won."""
    units = places()
    near = {each: related(each, units) for each in {one.unit_id for one in conversions}}
    others = select(Conversion).where(
        col(Conversion.unit_id).in_(sorted(frozenset().union(*near.values()))),
        col(Conversion.external_id).in_(sorted({each.external_id for each in conversions})),
        col(Conversion.membership_id).is_not(None),
    )
    told: dict[str, list[Conversion]] = {}
    for each in session().exec(others):
        told.setdefault(each.external_id, []).append(each)
    return frozenset(
        each.id
        for each in conversions
        for other in told.get(each.external_id, ())
        if other.unit_id in near[each.unit_id]
        and (other.kind, other.membership_id) == (each.kind, each.membership_id)
        and abs(other.occurred_at - each.occurred_at) <= SAME_ORDER
    )
