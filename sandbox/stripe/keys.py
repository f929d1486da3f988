"""Who may call: any secret or restricted test key, as Bearer or Basic."""

import re

from werkzeug.datastructures import Authorization

from sandbox.stripe.errors import StripeRefusal

TEST_KEY = re.compile(r"[sr]k_test_\w{1,200}", re.ASCII)


def check(authorization: Authorization | None) -> None:
    """Refuse with 401 a call without a key or with one that is no test key."""
    key = _presented(authorization)
    if not key:
        raise StripeRefusal(
            "You did not provide an API key. You need to provide your API key in the Authorization header,"
            " using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
            status=401,
        )
    if not TEST_KEY.fullmatch(key):
        raise StripeRefusal(f"Invalid API Key provided: {key[:8]}****", status=401)


def _presented(authorization: Authorization | None) -> str:
    if authorization is None:
        return ""
    presented = authorization.username if authorization.type == "basic" else authorization.token
    return presented or ""
