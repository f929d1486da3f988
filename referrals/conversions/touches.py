"""What ties a conversion to advocates: its token, code, coupon and customer, looked up and made ready for the decision."""

import hashlib
from datetime import datetime
from functools import lru_cache

from referrals.clicks import tokens
from referrals.clicks.tokens import ClickFacts
from referrals.conversions.attribution import Source, Touch
from referrals.conversions.conversion_input import NewConversion
from referrals.conversions.known import Known, KnownLink

UNKNOWN = "no link with this"
NOT_THEN = "the link did not run then"
SHOWN_TOKEN = 26
"""of a token that is not ours only so much is kept"""


def clicks_of(new: NewConversion) -> dict[str, ClickFacts | None]:
    """Each token that was sent, once and in the order in which they were sent, with what it says if it is ours."""
    sent = [*([new.click] if new.click else []), *new.clicks]
    return {token: tokens.verify(token) for token in dict.fromkeys(sent)}


def of(new: NewConversion, clicks: dict[str, ClickFacts | None], unit_id: str, known: Known) -> list[Touch]:
    """The touches that `new` names, in the order clicks, code, coupon, customer.

    Only links of the unit and those below it can be meant. The customer's touch is of the advocate who brought them
    before; a link that ended since changes nothing for it.
    """
    seen, at = known.seen[unit_id], new.occurred_at
    touches = [
        Touch("click", token[:SHOWN_TOKEN], at, problem="token not ours")
        if facts is None
        else _touch("click", facts.click_id, facts.at, known.of_code(facts.code), seen)
        for token, facts in clicks.items()
    ]
    if new.code is not None:
        touches.append(_touch("code", new.code, at, known.of_code(new.code), seen))
    if new.coupon is not None:
        touches.append(_touch("coupon", new.coupon, at, known.of_coupon(new.coupon, at), seen))
    customer_id = new.customer.external_id if new.customer else None
    if customer_id and known.latest_brought(unit_id, customer_id, at):
        touches.append(again("customer", customer_id, at, unit_id, known))
    return touches


def again(source: Source, given: str, at: datetime, unit_id: str, known: Known) -> Touch:
    """The touch by a code, a coupon or a customer as it is known now."""
    if source == "customer":
        earlier = known.latest_brought(unit_id, given, at)
        link = known.of_id(earlier.link_id) if earlier else None
        return _touch(source, given, at, link, known.seen[unit_id], must_run=False)
    link = known.of_code(given) if source == "code" else known.of_coupon(given, at)
    return _touch(source, given, at, link, known.seen[unit_id])


def may_mean_another(source: Source, problem: str) -> bool:
    """Whether what was named may yet become a link's: nobody knows it, or it is the coupon of a link that had ended."""
    return (source in {"code", "coupon"} and problem.startswith(UNKNOWN)) or (
        source == "coupon" and problem == NOT_THEN
    )


@lru_cache(maxsize=10_000)
def email_hash(email: str) -> str:
    """The form in which shops tell us an address: SHA-256 of it in lower case."""
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()


def _touch(
    source: Source,
    given: str,
    at: datetime,
    link: KnownLink | None,
    seen: frozenset[str],
    *,
    must_run: bool = True,
) -> Touch:
    if link is None:
        return Touch(source, given, at, problem=f"{UNKNOWN} {source}")
    if link.unit_id not in seen:  # nothing of another unit is told, not even whose it is
        return Touch(source, given, at, problem="link of another unit")
    return Touch(
        source,
        given,
        at,
        link_id=link.id,
        code=link.code,
        membership_id=link.membership_id,
        programme_id=link.programme_id,
        owner_email_sha256=email_hash(link.email),
        problem="" if not must_run or link.runs_at(at) else NOT_THEN,
    )
