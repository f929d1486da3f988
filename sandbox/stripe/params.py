"""Reading parameters as the types an endpoint expects, refusing the rest as Stripe does."""

import re

from sandbox.stripe import errors
from sandbox.stripe.errors import StripeRefusal
from sandbox.stripe.form import Param, Tree

MAX_TEXT = 5_000
MAX_AMOUNT = 10**12 - 1  # minor units; keeps every sum inside 64 bits
MAX_METADATA = 50
MAX_METADATA_KEY = 40
MAX_METADATA_VALUE = 500


def allow(params: Tree, *names: str) -> None:
    """Refuse any parameter that is not named."""
    for name in params:
        if name not in names:
            raise errors.unknown_param(name)


def text(params: Tree, name: str) -> str | None:
    """A string, or None when absent; an empty string is refused."""
    value = params.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise StripeRefusal("Invalid string.", param=name)
    if not value.strip():
        raise StripeRefusal(
            f"You passed an empty string for '{name}'.", code="parameter_invalid_empty", param=name
        )
    if len(value) > MAX_TEXT or "\0" in value:
        raise StripeRefusal(f"Invalid string: at most {MAX_TEXT:,} characters, none of them NUL.", param=name)
    return value


def required(params: Tree, name: str) -> str:
    """A string that must be there."""
    value = text(params, name)
    if value is None:
        raise errors.missing_param(name)
    return value


def integer(params: Tree, name: str) -> int | None:
    """A whole number, or None when absent."""
    value = text(params, name)
    if value is None:
        return None
    if not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise StripeRefusal(f"Invalid integer: {value[:40]}", code="parameter_invalid_integer", param=name)
    return int(value)


def amount(params: Tree, name: str = "amount") -> int | None:
    """An amount in minor units, at least 1, or None when absent."""
    value = integer(params, name)
    if value is not None and value < 1:
        raise StripeRefusal(
            "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param=name
        )
    if value is not None and value > MAX_AMOUNT:
        raise StripeRefusal(f"Amount must be no more than {MAX_AMOUNT}.", code="amount_too_large", param=name)
    return value


def boolean(params: Tree, name: str) -> bool | None:
    """`true` or `false`, or None when absent."""
    value = text(params, name)
    if value not in {None, "true", "false"}:
        raise StripeRefusal(f"Invalid boolean: {str(value)[:40]}", param=name)
    return None if value is None else value == "true"


def branch(params: Tree, name: str) -> Tree:
    """A nested hash; empty when absent."""
    value = params.get(name, {})
    if not isinstance(value, dict):
        raise StripeRefusal("Invalid hash.", param=name)
    return value


def branches(params: Tree, name: str) -> list[Tree]:
    """A list of nested hashes; empty when absent."""
    value = params.get(name, [])
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise StripeRefusal("Invalid array.", param=name)
    return [entry for entry in value if isinstance(entry, dict)]


def texts(params: Tree, name: str) -> list[str]:
    """A list of strings; empty when absent."""
    value = params.get(name, [])
    if not isinstance(value, list):
        raise StripeRefusal("Invalid array.", param=name)
    return [entry for entry in value if isinstance(entry, str)]


def metadata(params: Tree, old: dict[str, str]) -> dict[str, str]:
    """The metadata after this request: keys are merged, an empty value removes its key, `metadata=` removes all."""
    value = params.get("metadata")
    if value is None:
        return old
    if value == "":
        return {}
    if not isinstance(value, dict):
        raise StripeRefusal("Invalid hash.", param="metadata")
    merged = old | {key: _metadata_value(key, entry) for key, entry in value.items()}
    kept = {key: entry for key, entry in merged.items() if entry}
    if len(kept) > MAX_METADATA:
        raise StripeRefusal(f"Metadata can only have up to {MAX_METADATA} keys.", param="metadata")
    return kept


def _metadata_value(key: str, value: Param) -> str:
    if not isinstance(value, str) or len(key) > MAX_METADATA_KEY or len(value) > MAX_METADATA_VALUE:
        raise StripeRefusal(
            f"Metadata keys have at most {MAX_METADATA_KEY} characters, values at most {MAX_METADATA_VALUE}.",
            param=f"metadata[{key[:MAX_METADATA_KEY]}]",
        )
    return value
