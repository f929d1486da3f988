"""The page behind a share link that leads nowhere (any more); links that lead somewhere never get here."""

from flask import Blueprint, render_template

door = Blueprint("referrals_public", __name__)


@door.get("/r/<code>")
def no_link(code: str) -> tuple[str, int]:
    """An unknown, mistyped or ended code."""
    return render_template("public/referrals/no_link.html", code=code[:40]), 404
