"""The printed certificate: rendered once by a job, stored with its hash; the award stays the truth."""

from collections.abc import Sequence
from datetime import timedelta
from functools import cache

import segno
import structlog
from sqlalchemy import ColumnElement, update
from sqlmodel import col, or_, select

from core import files, pdf
from core.clock import now
from core.db import session, transaction, update_one
from core.pdf import NotRendered
from core.settings import settings
from curriculum.certification import Award, Certificate, spoken_day
from curriculum.figures import shown_percent

log = structlog.get_logger()
BATCH = 20
LEASE = timedelta(minutes=5)
"""longer than rendering a batch can take (core.pdf gives up after a minute)"""
INK = "#1c2033"
FONTS = pdf.ROOT / "static" / "vendor"


def render_certificates() -> int:
    """Render up to 20 certificates that are wanted and claimed by nobody; answers how many were made. A job."""
    with transaction():
        pages = {each.id: html_of(each) for each in _claimed()}
    made = 0
    for award_id, content in _rendered(pages).items():
        made += _keep(award_id, content)
    return made


def _claimed() -> list[Award]:
    waiting = select(Certificate.award_id).where(_wanted()).order_by(col(Certificate.award_id)).limit(BATCH)
    claim = update(Certificate).values(claimed_until=now() + LEASE)
    return [
        session().get_one(Award, award_id)
        for award_id in session().exec(waiting).all()
        if update_one(claim.where(col(Certificate.award_id) == award_id, _wanted()))
    ]


def _wanted() -> ColumnElement[bool]:
    free = or_(col(Certificate.claimed_until).is_(None), col(Certificate.claimed_until) < now())
    return col(Certificate.file_id).is_(None) & free


def _rendered(pages: dict[str, str]) -> dict[str, bytes]:
    """Each award's PDF. When the batch cannot be rendered, one by one: a single bad one holds up nobody else."""
    if not pages:
        return {}
    try:
        return dict(zip(pages, pdf.render(*pages.values()), strict=True))
    except NotRendered:
        if len(pages) == 1:
            log.warning("certificate not rendered", award=next(iter(pages)))
            return {}
    return {award: made for each, html in pages.items() for award, made in _rendered({each: html}).items()}


def _keep(award_id: str, content: bytes) -> bool:
    with transaction():
        made = session().get_one(Award, award_id)
        file = files.store(file_name(made), "application/pdf", content)
        missing = update(Certificate).where(
            col(Certificate.award_id) == award_id, col(Certificate.file_id).is_(None)
        )
        if update_one(missing.values(file_id=file.id)):
            return True
        session().delete(file)  # somebody else was first, after our claim had run out
        return False


def file_name(award: Award) -> str:
    """What a downloaded certificate is called."""
    return f"{award.certification_slug}-{award.valid_until:%Y-%m-%d}.pdf"


def certificate_file(award_id: str) -> str | None:
    """The id of an award's rendered certificate; None until it is made."""
    certificate = session().get(Certificate, award_id)
    return None if certificate is None else certificate.file_id


def html_of(award: Award) -> str:
    """The certificate as HTML for print."""
    address = verify_address(award)
    return pdf.page(
        "certificate",
        award=award,
        score=shown_percent(award.score),
        awarded=spoken_day(award.awarded_at.date()),
        until=spoken_day(award.valid_until.date()),
        address=address,
        shown_address=address.partition("://")[2],
        qr=segno.make(address, error="m").svg_data_uri(scale=4, border=0, dark=INK),
        fonts=_fonts(),
    )


def verify_address(award: Award) -> str:
    """The public address at which anybody can check an award."""
    return f"{settings().address}/verify/{award.verify_id}"


@cache
def _fonts() -> Sequence[str]:
    """Inter, where set-up has put it, as data: addresses; what it lacks comes from the machine's Noto fonts."""
    found = sorted(FONTS.glob("inter-*.woff2"))
    return tuple(pdf.data_uri("font/woff2", each.read_bytes()) for each in found)
