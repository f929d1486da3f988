"""The right to earn of a whole programme at once: the same answer as rights.right_to_earn, in a handful of queries."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import func, or_
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from advocates.membership import EARNING, Membership, Standing, Term
from core.db import session
from curriculum.certification import Award, Revocation
from hub import policies
from hub.policies import Acknowledgement
from hub.programmes import Programme
from referrals.rights import Missing


def missing_in(programme: Programme, at: datetime) -> dict[str, tuple[Missing, ...]]:
    """Membership of the programme → what it lacked to earn at a moment; nothing where it earned."""
    term, certified, read = _in_term(programme, at), _certified(programme, at), _readers(programme, at)
    members = select(Membership.id, Membership.person_id).where(Membership.programme_id == programme.id)

    def lacks(member: str, person: str) -> Iterator[Missing]:
        if member not in term:
            yield "term"
        if person not in certified:
            yield "certification"
        if read is not None and person not in read:
            yield "policy"

    return {member: tuple(lacks(member, person)) for member, person in session().exec(members)}


def _in_term(programme: Programme, at: datetime) -> set[str]:
    """Memberships in term and in good standing."""
    own = select(Membership.id).where(Membership.programme_id == programme.id)
    running = select(Term.membership_id).where(
        col(Term.membership_id).in_(own), Term.starts_at <= at, Term.ends_at > at
    )
    good = select(Standing.membership_id).where(
        col(Standing.membership_id).in_(own),
        col(Standing.state).in_(EARNING),
        Standing.began_at <= at,
        or_(col(Standing.ended_at).is_(None), col(Standing.ended_at) > at),
    )
    in_term: set[str] = set(session().exec(running))
    in_good_standing: set[str] = set(session().exec(good))
    return in_term & in_good_standing


def _certified(programme: Programme, at: datetime) -> set[str]:
    """People who hold what the programme requires."""
    revoked = select(Revocation.award_id).where(
        Revocation.award_id == col(Award.id), col(Revocation.revoked_at) <= at
    )
    held = select(Award.person_id).where(
        Award.certification_slug == programme.certification_slug,
        col(Award.person_id).in_(_people(programme)),
        col(Award.valid_from) <= at,
        col(Award.valid_until) >= at,
        ~revoked.exists(),
    )
    return set(session().exec(held))


def _readers(programme: Programme, at: datetime) -> set[str] | None:
    """People who had acknowledged every required policy; None when there is none."""
    required = [version.id for _policy, version in policies.required_versions(programme.id, at)]
    if not required:
        return None
    done = (
        select(Acknowledgement.person_id)
        .where(
            col(Acknowledgement.policy_version_id).in_(required),
            col(Acknowledgement.person_id).in_(_people(programme)),
            Acknowledgement.at <= at,
        )
        .group_by(col(Acknowledgement.person_id))
        .having(func.count(func.distinct(Acknowledgement.policy_version_id)) == len(required))
    )
    return set(session().exec(done))


def _people(programme: Programme) -> SelectOfScalar[str]:
    return select(Membership.person_id).where(Membership.programme_id == programme.id)
