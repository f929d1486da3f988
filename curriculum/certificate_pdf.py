"""The printed certificate: rendered once by a job, stored with its hash; the award stays the truth."""

from collections.abc import Sequence
from functools import cache

import segno

from core import pdf
from core.db import session
from core.printing import Printed, print_wanted
from core.settings import settings
from curriculum.certification import Award, Certificate, spoken_day
from curriculum.figures import shown_percent

INK = "#1c2033"
FONTS = pdf.ROOT / "static" / "vendor"


def render_certificates() -> int:
    """Job: print up to 20 certificates that are wanted and claimed by nobody; answers how many were made."""
    return print_wanted(PRINTED)


def _award(wanted: Certificate) -> Award:
    return session().get_one(Award, wanted.award_id)


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


PRINTED = Printed(
    Certificate, page=lambda each: html_of(_award(each)), name=lambda each: file_name(_award(each))
)
