"""The right to earn: a pure question over dated facts, asked for the moment of the event."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import select as select_columns
from sqlmodel import col, select

from advocates.membership import EARNING, Membership, Standing, Term, get_membership
from core.db import session
from core.reading import Reading, among
from curriculum.certification import Award, Revocation
from hub.policies import Acknowledgement, Policy, PolicyVersion
from hub.programmes import Programme

Missing = Literal["term", "certification", "policy"]


@dataclass(frozen=True)
class Right:
    """Whether somebody could earn at a moment, and what was missing if not."""

    earns: bool
    missing: tuple[Missing, ...] = ()


class Span(NamedTuple):
    """From when until when; half-open, None is open."""

    begins: datetime
    ends: datetime | None

    def covers(self, at: datetime) -> bool:
        """Whether it ran at a moment."""
        return self.begins <= at and (self.ends is None or at < self.ends)


class Held(NamedTuple):
    """An award: its first and its last moment, and when it was revoked, if it was."""

    begins: datetime
    last: datetime
    revoked: datetime | None

    def counts(self, at: datetime) -> bool:
        """Whether it was worth something at a moment."""
        return self.begins <= at <= self.last and (self.revoked is None or at < self.revoked)


class Wording(NamedTuple):
    """A material version of a policy, since when."""

    version_id: str
    number: int
    effective_at: datetime


@dataclass
class Dated:
    """The dated facts behind a membership's right to earn."""

    terms: list[Span] = field(default_factory=list)
    standings: list[Span] = field(default_factory=list)
    """in good standing"""
    awards: list[Held] = field(default_factory=list)
    """of the certification that the programme requires"""
    acknowledged: dict[str, datetime] = field(default_factory=dict)
    """version → when"""
    policies: Mapping[str, list[Wording]] = field(default_factory=dict)
    """policy of the programme → its material versions in their order"""

    def right(self, at: datetime) -> Right:
        """Whether the membership earned at a moment: in term, certified, every required policy acknowledged."""
        held: dict[Missing, bool] = {
            "term": any(each.covers(at) for each in self.terms)
            and any(each.covers(at) for each in self.standings),
            "certification": any(each.counts(at) for each in self.awards),
            "policy": all(self._accepted(versions, at) for versions in self.policies.values()),
        }
        missing = tuple(name for name, there in held.items() if not there)
        return Right(not missing, missing)

    def _accepted(self, versions: list[Wording], at: datetime) -> bool:
        """Whether the material version in force at a moment, if there was one, had been acknowledged by then."""
        in_force = [each for each in versions if each.effective_at <= at]
        if not in_force:
            return True
        when = self.acknowledged.get(in_force[-1].version_id)
        return when is not None and when <= at


def right_to_earn(membership_id: str, at: datetime) -> Right:
    """Whether a membership earned at a moment; raises MembershipNotFound."""
    return dated_facts([get_membership(membership_id).id])[membership_id].right(at)


def missing_in(programme: Programme, at: datetime) -> dict[str, tuple[Missing, ...]]:
    """Membership of the programme → what it lacked to earn at a moment; nothing where it earned."""
    members = session().exec(select(Membership.id).where(Membership.programme_id == programme.id)).all()
    return {member: dated.right(at).missing for member, dated in dated_facts(members).items()}


def dated_facts(membership_ids: Iterable[str]) -> dict[str, Dated]:
    """Membership → the facts behind its right to earn, in a handful of queries however many there are."""
    ids = set(membership_ids)
    facts = {each: Dated() for each in ids}
    members = _MEMBERS.rows(ids)
    policies = _policies({programme for _, _, programme, _ in members})
    people: defaultdict[str, list[tuple[Dated, str]]] = defaultdict(list)
    for member, person, programme, slug in members:
        facts[member].policies = policies[programme]
        people[person].append((facts[member], slug))
    for member, begins, ends in _TERMS.rows(ids):
        facts[member].terms.append(Span(begins, ends))
    for member, state, begins, ends in _STANDINGS.rows(ids):
        if state in EARNING:
            facts[member].standings.append(Span(begins, ends))
    _fill_in(people)
    return facts


def _fill_in(people: Mapping[str, list[tuple[Dated, str]]]) -> None:
    """What is a person's in every membership: awards, of which the programme's certification counts, and consents."""
    for person, slug, *held in _AWARDS.rows(people):
        for dated, wanted in people[person]:
            if slug == wanted:
                dated.awards.append(Held(*held))
    if any(dated.policies for theirs in people.values() for dated, _ in theirs):
        for person, version, at in _ACKNOWLEDGEMENTS.rows(people):
            for dated, _ in people[person]:
                dated.acknowledged[version] = at


def _policies(programme_ids: Iterable[str]) -> dict[str, dict[str, list[Wording]]]:
    """Programme → policy → its material versions in their order."""
    found: dict[str, dict[str, list[Wording]]] = {each: {} for each in programme_ids}
    for programme, policy, version, number, effective_at, material in _POLICIES.rows(found):
        if material:
            found[programme].setdefault(policy, []).append(Wording(version, number, effective_at))
    return found


_MEMBERS = Reading(
    lambda: (
        select_columns(
            col(Membership.id),
            col(Membership.person_id),
            col(Membership.programme_id),
            col(Programme.certification_slug),
        )
        .join(Programme, col(Programme.id) == col(Membership.programme_id))
        .where(among(Membership.id))
    )
)
_TERMS = Reading(
    lambda: select_columns(col(Term.membership_id), col(Term.starts_at), col(Term.ends_at)).where(
        among(Term.membership_id)
    )
)
_STANDINGS = Reading(
    lambda: select_columns(
        col(Standing.membership_id), col(Standing.state), col(Standing.began_at), col(Standing.ended_at)
    ).where(among(Standing.membership_id))
)
_AWARDS = Reading(
    lambda: (
        select_columns(
            col(Award.person_id),
            col(Award.certification_slug),
            col(Award.valid_from),
            col(Award.valid_until),
            col(Revocation.revoked_at),
        )
        .outerjoin(Revocation, col(Revocation.award_id) == col(Award.id))
        .where(among(Award.person_id))
    )
)
_ACKNOWLEDGEMENTS = Reading(
    lambda: select_columns(
        col(Acknowledgement.person_id), col(Acknowledgement.policy_version_id), col(Acknowledgement.at)
    ).where(among(Acknowledgement.person_id))
)
_POLICIES = Reading(
    lambda: (
        select_columns(
            col(Policy.programme_id),
            col(Policy.id),
            col(PolicyVersion.id),
            col(PolicyVersion.number),
            col(PolicyVersion.effective_at),
            col(PolicyVersion.material),
        )
        .join(PolicyVersion, col(PolicyVersion.policy_id) == col(Policy.id))
        .where(among(Policy.programme_id))
        .order_by(col(PolicyVersion.number))
    )
)
