"""The script for shops, as it is delivered."""

from flask.testing import FlaskClient

from referrals.conversions.snippet import MOST_BYTES


def test_the_snippet_is_small_stays_where_it_is_and_may_be_kept(client: FlaskClient) -> None:
    answer = client.get("/spokes.js")
    assert (answer.status_code, answer.mimetype) == (200, "text/javascript")
    assert len(answer.data) < MOST_BYTES
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "Set-Cookie" not in answer.headers
    again = client.get("/spokes.js", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_the_snippet_stands_on_nothing_else(client: FlaskClient) -> None:
    script = client.get("/spokes.js").text
    assert not [
        each
        for each in ("eval", "Function(", "innerHTML", "import", "fetch", "document.cookie")
        if each in script
    ]
