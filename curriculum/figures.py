"""Decimal figures with one spelling each, small enough that arithmetic on them is exact."""

import re
from decimal import ROUND_DOWN, Decimal
from typing import Annotated

from pydantic import AfterValidator, Field

MAX_FIGURE = Decimal(10) ** 12
PLACES = 10  # 12 + 10 digits, doubled, stay inside Decimal's 28

_NUMBER = re.compile(r"[+-]?(\d{1,20}(\.\d{0,20})?|\.\d{1,20})(e[+-]?\d{1,2})?", re.ASCII)


def canonical(figure: Decimal) -> Decimal:
    """The same number without trailing zeros or exponent; ValueError when too large or too fine."""
    if not figure.is_finite() or abs(figure) >= MAX_FIGURE:
        raise ValueError("a number has to be smaller than 10^12")
    if figure == 0:
        return Decimal(0)
    exponent = figure.normalize().as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -PLACES:
        raise ValueError(f"a number has at most {PLACES} decimal places")
    return figure.quantize(Decimal(1)) if exponent >= 0 else figure.normalize()


Figure = Annotated[Decimal, AfterValidator(canonical)]
Weight = Annotated[Figure, Field(ge=-100, le=100)]


def read_number(text: str) -> Decimal | None:
    """The number somebody wrote, with decimal point or comma; None when it is not one or out of bounds."""
    spelled = text.strip().replace("\u2212", "-").replace("\u00a0", "").replace(" ", "").lower()
    if spelled.count(",") == 1 and "." not in spelled:
        spelled = spelled.replace(",", ".")
    if not _NUMBER.fullmatch(spelled):
        return None
    try:
        return canonical(Decimal(spelled))
    except ValueError:
        return None


def spell(figure: Decimal) -> str:
    """The figure in digits, never with an exponent."""
    return format(canonical(figure), "f")


def shown_percent(figure: Decimal | str) -> str:
    """A percentage with at most one decimal place, rounded down: 79.96 is shown as 79.9 and never as 80."""
    return spell(Decimal(figure).quantize(Decimal("0.1"), ROUND_DOWN))
