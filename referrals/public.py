"""What visitors and shops get: the page behind a share link that leads nowhere (any more), and the script for shops."""

from flask import Blueprint, Response, render_template, request

from referrals.conversions.snippet import KEPT_S, snippet
from web.requests import transacts_itself

door = Blueprint("referrals_public", __name__)


@door.get("/r/<code>")
def no_link(code: str) -> tuple[str, int]:
    """An unknown, mistyped or ended code; links that lead somewhere never get here."""
    return render_template("public/referrals/no_link.html", code=code[:40]), 404


@door.get("/spokes.js")
@transacts_itself
def script() -> Response:
    """The snippet: kept by browsers for an hour, and taken by any shop's page."""
    content, tag = snippet()
    answer = Response(content, mimetype="text/javascript")
    answer.set_etag(tag)
    answer.headers["Cache-Control"] = f"public, max-age={KEPT_S}"
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    answer.headers["Access-Control-Allow-Origin"] = "*"  # lets pages pin it by integrity, and hides nothing
    return answer.make_conditional(request)  # type: ignore[return-value]  # werkzeug answers with what it was given
