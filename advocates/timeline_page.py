"""One time line of everything about an advocate, out of every package, the newest first."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, or_
from sqlmodel import col, select

from advocates.application_states import Application, ApplicationChange
from advocates.membership import Membership, Standing, Term
from core.access import Actor
from core.db import session
from core.money import Money
from core.outbox import OutboxMessage
from core.people import get_person
from curriculum.attempts import Attempt
from curriculum.certification import Award, Revocation
from curriculum.enrolment import Enrolment
from hub.policies import Acknowledgement, Policy, PolicyVersion
from referrals.conversions.conversions import AttributionCandidate, Conversion, Refund
from referrals.fraud.fraud_cases import FraudCase
from referrals.links.links import Link
from rewards.payouts.runs import Payout
from rewards.reward import Reward

MOST_OF_A_KIND, MOST = 50, 200


@dataclass(frozen=True)
class Entry:
    """Something that happened; `more` is what somebody wrote about it."""

    at: datetime
    words: str
    more: str = ""
    href: str | None = None


Source = Callable[[Membership], Iterator[Entry]]


def time_line(member: Membership, actor: Actor) -> list[Entry]:
    """The latest entries (50 of a kind, 200 in all) that the actor may see."""
    shown = [source for source, right in SOURCES if actor.may(right, member.unit_id)]
    entries = [entry for source in shown for entry in source(member)]
    return sorted(entries, key=lambda each: each.at, reverse=True)[:MOST]


def _standings(member: Membership) -> Iterator[Entry]:
    words = {
        "active": _("Active"),
        "leave": _("On leave"),
        "grace": _("In grace"),
        "alumni": _("Alumni"),
        "removed": _("Removed"),
    }
    held = select(Standing).where(Standing.membership_id == member.id).order_by(col(Standing.began_at).desc())
    for each in session().exec(held.limit(MOST_OF_A_KIND)):
        yield Entry(each.began_at, words[each.state], each.reason)


def _terms(member: Membership) -> Iterator[Entry]:
    held = select(Term).where(Term.membership_id == member.id).order_by(col(Term.starts_at).desc())
    for each in session().exec(held.limit(MOST_OF_A_KIND)):
        yield Entry(each.starts_at, _("A term began"))


def _applications(member: Membership) -> Iterator[Entry]:
    words = {
        "submitted": _("Applied"),
        "needs_info": _("Was asked"),
        "in_review": _("Application in review"),
        "accepted": _("Application accepted"),
        "waitlisted": _("Application on the waiting list"),
    }
    changes = (
        select(ApplicationChange)
        .join(Application, col(Application.id) == ApplicationChange.application_id)
        .where(Application.membership_id == member.id)
        .order_by(col(ApplicationChange.at).desc())
    )
    for each in session().exec(changes.limit(MOST_OF_A_KIND)):
        href = f"/console/applications/{each.application_id}"
        yield Entry(each.at, words.get(each.to_state, each.to_state), each.reason, href)


def _acknowledgements(member: Membership) -> Iterator[Entry]:
    done = (
        select(Acknowledgement.at, Policy.title, PolicyVersion.number)
        .join(PolicyVersion, col(PolicyVersion.id) == Acknowledgement.policy_version_id)
        .join(Policy, col(Policy.id) == PolicyVersion.policy_id)
        .where(Acknowledgement.person_id == member.person_id, Policy.programme_id == member.programme_id)
        .order_by(col(Acknowledgement.at).desc())
    )
    for at, title, number in session().exec(done.limit(MOST_OF_A_KIND)):
        yield Entry(at, _("Acknowledged %(policy)s, version %(number)s", policy=title, number=number))


def _awards(member: Membership) -> Iterator[Entry]:
    won = select(Award).where(Award.person_id == member.person_id).order_by(col(Award.id).desc())
    for each in session().exec(won.limit(MOST_OF_A_KIND)):
        yield Entry(
            each.awarded_at,
            _("Certified: %(name)s", name=each.title_as_printed),
            href=f"/verify/{each.verify_id}",
        )
        revoked = session().get(Revocation, each.id)
        if revoked is not None:
            yield Entry(revoked.revoked_at, _("Certification revoked"), revoked.reason)


def _enrolments(member: Membership) -> Iterator[Entry]:
    begun = select(Enrolment).where(Enrolment.membership_id == member.id)
    for each in session().exec(begun.order_by(col(Enrolment.enrolled_at).desc()).limit(MOST_OF_A_KIND)):
        yield Entry(each.enrolled_at, _("Training began"))


def _attempts(member: Membership) -> Iterator[Entry]:
    tried = (
        select(Attempt)
        .join(Enrolment, col(Enrolment.id) == Attempt.enrolment_id)
        .where(Enrolment.membership_id == member.id, Attempt.state == "finished")
        .order_by(col(Attempt.started_at).desc())
    )
    for each in session().exec(tried.limit(MOST_OF_A_KIND)):
        says = _("Quiz passed") if each.passed else _("Quiz not passed")
        score = _("%(score)s %%, attempt %(number)s", score=each.score or "–", number=each.number)
        yield Entry(each.finished_at or each.started_at, f"{says}: {each.module_slug}", score)


def _links(member: Membership) -> Iterator[Entry]:
    opened = select(Link).where(Link.membership_id == member.id).order_by(col(Link.starts_at).desc())
    for each in session().exec(opened.limit(MOST_OF_A_KIND)):
        yield Entry(each.starts_at, _("Share link %(code)s", code=each.code), each.campaign)
        if each.ends_at is not None:
            yield Entry(each.ends_at, _("Share link %(code)s ended", code=each.code))


def _conversions(member: Membership) -> Iterator[Entry]:
    won = select(Conversion).where(_won(member))
    for each in session().exec(won.order_by(col(Conversion.occurred_at).desc()).limit(MOST_OF_A_KIND)):
        words = _("A sale") if each.kind == "sale" else _("A lead")
        words = _("%(what)s, shared,", what=words) if each.shared else words
        sum_of = Money(each.amount_minor, each.currency).format() if each.currency else ""
        yield Entry(
            each.occurred_at, f"{words} {sum_of}".strip(), each.reason, f"/console/conversions/{each.id}"
        )


def _won(member: Membership) -> ColumnElement[bool]:
    """The conversions that are the member's, also by a share."""
    shares = select(AttributionCandidate.conversion_id).where(
        AttributionCandidate.membership_id == member.id, col(AttributionCandidate.won).is_(True)
    )
    return or_(col(Conversion.membership_id) == member.id, col(Conversion.id).in_(shares))


def _refunds(member: Membership) -> Iterator[Entry]:
    back = (
        select(Refund, Conversion.currency)
        .join(Conversion, col(Conversion.id) == Refund.conversion_id)
        .where(_won(member))
        .order_by(col(Refund.occurred_at).desc())
    )
    for each, currency in session().exec(back.limit(MOST_OF_A_KIND)):
        given_back = Money(each.amount_minor, currency).format()
        href = f"/console/conversions/{each.conversion_id}"
        yield Entry(each.occurred_at, _("A refund of %(sum)s", sum=given_back), each.reason, href)


def _reviews(member: Membership) -> Iterator[Entry]:
    words = {
        "noted": _("Weak signs of fraud noted"),
        "open": _("A review is open"),
        "cleared": _("A review was cleared"),
        "confirmed": _("A review was confirmed"),
    }
    held = select(FraudCase).where(FraudCase.membership_id == member.id).order_by(col(FraudCase.id).desc())
    for each in session().exec(held.limit(MOST_OF_A_KIND)):
        at = each.decided_at or each.opened_at or each.assessed_at
        more = each.reason or (each.signals[0]["sentence"] if each.signals else "")
        yield Entry(at, words[each.state], more, f"/console/reviews/{each.id}")


def _rewards(member: Membership) -> Iterator[Entry]:
    lines = select(Reward).where(Reward.membership_id == member.id).order_by(col(Reward.made_at).desc())
    for each in session().exec(lines.limit(MOST_OF_A_KIND)):
        words = _("Reward of %(sum)s", sum=each.amount.format())
        yield Entry(each.made_at, words, each.arithmetic, f"/console/rewards/{each.id}")


def _payouts(member: Membership) -> Iterator[Entry]:
    made = select(Payout).where(Payout.membership_id == member.id).order_by(col(Payout.made_at).desc())
    for each in session().exec(made.limit(MOST_OF_A_KIND)):
        amount = Money(each.amount_minor, each.currency).format()
        yield Entry(each.sent_at or each.made_at, _("Payout of %(sum)s", sum=amount), each.reason)


def _mails(member: Membership) -> Iterator[Entry]:
    address = get_person(member.person_id).email
    sent = select(OutboxMessage).where(OutboxMessage.kind == "mail", OutboxMessage.recipient == address)
    for each in session().exec(sent.order_by(col(OutboxMessage.created_at).desc()).limit(MOST_OF_A_KIND)):
        yield Entry(each.created_at, _("Mail: %(subject)s", subject=each.content["subject"]))


SOURCES: tuple[tuple[Source, str], ...] = (
    (_standings, "advocate.see"),
    (_terms, "advocate.see"),
    (_acknowledgements, "advocate.see"),
    (_enrolments, "advocate.see"),
    (_attempts, "advocate.see"),
    (_awards, "advocate.see"),
    (_applications, "application.see"),
    (_links, "link.see"),
    (_conversions, "conversion.see"),
    (_refunds, "conversion.see"),
    (_reviews, "fraud.see"),
    (_rewards, "reward.see"),
    (_payouts, "reward.see"),
    (_mails, "advocate.manage"),
)
"""where entries come from, and what somebody must be allowed to see them"""
