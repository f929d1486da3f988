"""Doors for anybody: the page that says whether a certificate is real, and the certificate itself."""

from flask import Blueprint, Response, render_template
from flask.typing import ResponseReturnValue

from core.clock import now
from core.errors import NotFound
from core.files import get_file
from curriculum.certificate_pdf import certificate_file, file_name
from curriculum.certification import revocation_of, status_of, verified
from curriculum.figures import shown_percent
from curriculum.releases import newest_of

door = Blueprint("curriculum_public", __name__)
MAX_VERIFY_ID = 64


@door.after_request
def keep_out_of_indexes(response: Response) -> Response:
    """These addresses are for those who were given them."""
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@door.get("/verify/<verify_id>")
def verify(verify_id: str) -> str:
    """Every fact that is printed, and what the certificate is worth now."""
    award = verified(verify_id[:MAX_VERIFY_ID])
    newest = newest_of(award.certification_id)
    return render_template(
        "public/curriculum/verify.html",
        award=award,
        status=status_of(award, now()),
        revocation=revocation_of(award.id),
        score=shown_percent(award.score),
        newest=newest if newest and newest.number != award.release_number else None,
        rendered=certificate_file(award.id) is not None,
        programme_name=award.programme_as_printed,
    )


@door.get("/verify/<verify_id>/certificate.pdf")
def certificate(verify_id: str) -> ResponseReturnValue:
    """The certificate as it was rendered; a revoked one is not handed out any more."""
    award = verified(verify_id[:MAX_VERIFY_ID])
    file_id = certificate_file(award.id)
    if file_id is None or revocation_of(award.id) is not None:
        raise NotFound
    file = get_file(file_id)
    answer = Response(file.content, mimetype=file.media_type)
    answer.headers["Content-Disposition"] = f'inline; filename="{file_name(award)}"'
    answer.set_etag(file.sha256)
    return answer
