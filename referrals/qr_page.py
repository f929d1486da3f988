"""A link's QR code as an answer, a part of the portal's door and of the console's."""

from flask import Response

from referrals.links.links import Link, address_of
from referrals.links.qr import Kind, qr_code

MEDIA_TYPES: dict[Kind, str] = {"svg": "image/svg+xml", "png": "image/png"}


def picture_of(link: Link, kind: Kind) -> Response:
    """The picture, which a browser may keep: a link's address never changes."""
    answer = Response(qr_code(address_of(link), kind), mimetype=MEDIA_TYPES[kind])
    answer.headers["Cache-Control"] = "private, max-age=3600"
    return answer
