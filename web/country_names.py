"""Countries by their names, in the reader's language, for a form's choices."""

from collections.abc import Iterable
from typing import Annotated

from babel import Locale
from flask_babel import get_locale
from pydantic import AfterValidator, StringConstraints

NO_COUNTRY = frozenset({"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"})
"""two letters to which CLDR gives a name although no country has them"""
CODES = frozenset(code for code in map(str, Locale("en").territories) if code.isalpha()) - NO_COUNTRY


def _known(code: str) -> str:
    if code not in CODES:
        raise ValueError("choose one of the countries")
    return code


Country = Annotated[str, StringConstraints(min_length=2, max_length=2), AfterValidator(_known)]
"""A country's two letters (ISO 3166-1)."""


def named(codes: Iterable[str] = CODES) -> list[tuple[str, str]]:
    """Code and name, by name."""
    locale = get_locale()
    names = locale.territories if locale is not None else {}
    return sorted(((code, names.get(code, code)) for code in codes), key=lambda each: each[1])
