"""Refusals in Stripe's shape: `{"error": {"type", "code", "message", "param", …}}`."""

from sandbox.stripe.store import Json


class StripeRefusal(Exception):
    """A request was refused.

    `remembered` says whether an idempotency key replays this answer: refusals from executing are, those found before
    execution begins (validation, conflicts, rate limits, authentication) are not.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        remembered: bool = False,
        user_message: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.remembered = remembered
        self.error: Json = {"type": kind, "message": message}
        if code is not None:
            self.error |= {
                "code": code,
                "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}",
            }
        if param is not None:
            self.error["param"] = param
        if user_message is not None:
            self.error["user_message"] = user_message


def missing_param(name: str) -> StripeRefusal:
    """A required parameter is absent."""
    return StripeRefusal(f"Missing required param: {name}.", code="parameter_missing", param=name)


def unknown_param(name: str) -> StripeRefusal:
    """A parameter that this local Stripe does not take."""
    return StripeRefusal(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def no_such(
    what: str, object_id: str, *, param: str, status: int = 400, remembered: bool = True
) -> StripeRefusal:
    """An id that names nothing: 404 when it is the address itself, 400 when it is a parameter."""
    return StripeRefusal(
        f"No such {what}: '{object_id}'",
        status=status,
        code="resource_missing",
        param=param,
        remembered=remembered,
    )


def no_access(account: str) -> StripeRefusal:
    """An account that does not exist, was deleted, or has withdrawn its consent."""
    return StripeRefusal(
        f"The provided key does not have access to account '{account}' (or that account does not exist)."
        " Application access may have been revoked.",
        status=403,
        code="account_invalid",
    )


def server_error(*, remembered: bool) -> StripeRefusal:
    """Stripe's own failure."""
    return StripeRefusal("An unknown error occurred.", status=500, kind="api_error", remembered=remembered)
