"""The arithmetic of shares: parts by position, and sums that are split without a cent more or less."""

from collections.abc import Sequence

WHOLE = 10_000
"""basis points: a conversion that is one advocate's alone"""
ENDS = 4_000
"""of the first and of the last touch, where others were between them"""


def by_position(sharers: int) -> list[int]:
    """Basis points for so many in the order of their touches: 40 % the first, 40 % the last, 20 % those between.

    Two have one half each, one has all. They sum to 10,000.
    """
    if sharers <= 2:  # noqa: PLR2004 - nobody is between
        return parts(WHOLE, [1] * sharers)
    between = sharers - 2
    return [ENDS, *parts(WHOLE - 2 * ENDS, [1] * between), ENDS]


def parts(total: int, weights: Sequence[int]) -> list[int]:
    """`total` (not negative) split by weights (not negative, not all zero), by the largest remainder.

    The parts sum to the total; of equal remainders the first gets the unit that is left. No part is more than its
    weight where the total is no more than theirs together: what is left of shares can be split again and again.
    """
    if not weights:
        return []
    whole = sum(weights)
    given = [total * weight // whole for weight in weights]
    remainders = [total * weight % whole for weight in weights]
    left = total - sum(given)
    for index in sorted(range(len(weights)), key=lambda each: -remainders[each])[:left]:
        given[index] += 1
    return given


def percent(weight_basis_points: int) -> str:
    """`40 %`, `6.67 %`."""
    whole, rest = divmod(weight_basis_points, 100)
    return f"{whole}.{rest:02d} %" if rest else f"{whole} %"
