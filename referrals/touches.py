"""What ties a conversion to advocates: its token, code, coupon and customer, looked up and made ready for the decision."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from advocates.membership import get_membership
from core.db import session
from core.people import get_person
from hub.programmes import get_programme
from hub.units import reach
from referrals import links, tokens
from referrals.attribution import Rule, Source, Touch
from referrals.conversion_input import NewConversion
from referrals.conversion_rows import Conversion
from referrals.links import Link
from referrals.rights import Right, right_to_earn

SHOWN_TOKEN = 26
"""of a token that is not ours only so much is kept"""


@dataclass(frozen=True)
class Found:
    """The touches of a conversion, with the rule and the unit of every programme that is in them."""

    touches: list[Touch]
    rules: dict[str, Rule]
    units: dict[str, str]


def of(new: NewConversion, unit_id: str, earlier: Conversion | None) -> Found:
    """The touches that `new` names, in the order click, code, coupon, customer.

    Only links of the unit and those below it can be meant; `earlier` is the customer's conversion before, if it was
    somebody's.
    """
    seen = reach(unit_id)
    touches = [*_clicked(new, seen), *_typed(new, seen), *_known(new, earlier, seen)]
    programmes = {each: get_programme(each) for each in {touch.programme_id for touch in touches} if each}
    rules = {key: Rule(each.attribution_rule, each.attribution_days) for key, each in programmes.items()}
    return Found(touches, rules, {key: each.unit_id for key, each in programmes.items()})


def right(touch: Touch) -> Right:
    """Whether the owner of a touch could earn at it."""
    return right_to_earn(touch.membership_id, touch.at)


def email_hash(email: str) -> str:
    """The form in which shops tell us an address: SHA-256 of it in lower case."""
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()


def _clicked(new: NewConversion, seen: frozenset[str]) -> list[Touch]:
    """Each click once, in the order in which they were sent."""
    tokens_sent = dict.fromkeys([*([new.click] if new.click else []), *new.clicks])
    return [_click(token, new.occurred_at, seen) for token in tokens_sent]


def _click(token: str, at: datetime, seen: frozenset[str]) -> Touch:
    facts = tokens.verify(token)
    if facts is None:
        return Touch("click", token[:SHOWN_TOKEN], at, problem="token not ours")
    return _touch("click", facts.click_id, facts.at, links.find_link(facts.code), seen)


def _typed(new: NewConversion, seen: frozenset[str]) -> list[Touch]:
    touches = []
    if new.code is not None:
        touches.append(_touch("code", new.code, new.occurred_at, links.find_link(new.code), seen))
    if new.coupon is not None:
        touches.append(_touch("coupon", new.coupon, new.occurred_at, links.find_coupon(new.coupon), seen))
    return touches


def _known(new: NewConversion, earlier: Conversion | None, seen: frozenset[str]) -> list[Touch]:
    """The advocate who brought this customer before; a link that ended since changes nothing."""
    if earlier is None or earlier.link_id is None:
        return []
    link = session().get_one(Link, earlier.link_id)
    return [_touch("customer", earlier.customer_id, new.occurred_at, link, seen, must_run=False)]


def _touch(
    source: Source,
    given: str,
    at: datetime,
    link: Link | None,
    seen: frozenset[str],
    *,
    must_run: bool = True,
) -> Touch:
    if link is None:
        return Touch(source, given, at, problem=f"no link with this {source}")
    if link.unit_id not in seen:  # nothing of another unit is told, not even whose it is
        return Touch(source, given, at, problem="link of another unit")
    member = get_membership(link.membership_id)
    return Touch(
        source,
        given,
        at,
        link_id=link.id,
        code=link.code,
        membership_id=member.id,
        programme_id=link.programme_id,
        owner_email_sha256=email_hash(get_person(member.person_id).email),
        problem="" if not must_run or link.runs_at(at) else "the link did not run then",
    )
