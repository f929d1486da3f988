"""What machines are told of certifications."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel
from sqlmodel import col, select

from advocates.membership import Membership, public_name
from core.clock import now
from core.db import session
from curriculum.certification import Award, Reason, Status, revocation_of, status_of
from hub.programmes import Programme


class ShownCertification(BaseModel):
    """An award; its holder is named only where they agreed to be."""

    id: str
    advocate: str
    advocate_id: str
    programme: str
    certification: str
    release: int
    score: str
    """percent, as the exact decimal"""
    awarded_at: datetime
    valid_until: datetime
    status: Status
    revoked_for: Reason | None


def show_certifications(ids: Sequence[str], units: frozenset[str]) -> dict[str, ShownCertification]:
    """Award → what is told of it, as far as it is one of these units'."""
    joined = (
        select(Award, Membership, Programme)
        .join(Membership, col(Membership.id) == col(Award.membership_id))
        .join(Programme, col(Programme.id) == col(Membership.programme_id))
        .where(col(Award.id).in_(ids), col(Award.unit_id).in_(units))
    )
    return {award.id: _shown(award, member, programme) for award, member, programme in session().exec(joined)}


def _shown(award: Award, member: Membership, programme: Programme) -> ShownCertification:
    revocation = revocation_of(award.id)
    return ShownCertification(
        id=award.id,
        advocate=public_name(member),
        advocate_id=member.id,
        programme=programme.slug,
        certification=award.certification_slug,
        release=award.release_number,
        score=award.score,
        awarded_at=award.awarded_at,
        valid_until=award.valid_until,
        status=status_of(award, now()),
        revoked_for=revocation and revocation.reason,
    )
