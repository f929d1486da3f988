"""What a rule asks beyond its rate: rates of products, of tiers and countries, what the base is without, a customer's first months, milestones, a cap."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from core.errors import Invalid
from core.money import Money

Part = Literal["tax", "shipping", "discount"]
CapPeriod = Literal["month", "quarter", "year"]
Counted = Literal["sales", "leads", "revenue"]
"""what milestones count, as the scoreboard does"""
WHOLE = 10_000
MOST_PRODUCTS, MOST_MONTHS, LONGEST_SKU = 50, 120, 200
MOST_MILESTONES = 50
MOST_FOR_WHOM = 50
MONTHS_OF_QUARTER, MONTHS_OF_YEAR = 3, 12


class WrongConditions(Invalid):
    """Rates are up to 100 %, products, tiers, countries and milestones are named once, caps are positive, the customer gets one thing at most."""


@dataclass(frozen=True)
class ProductRate:
    """What a product earns: its SKU, or a beginning of SKUs and a star, like `PRO-*`."""

    sku: str
    rate_basis_points: int
    """of its lines, by a percentage"""
    flat_minor: int = 0
    """for each one sold, by a sum or points"""

    def covers(self, sku: str) -> bool:
        """Whether a line with this SKU has this rate."""
        return sku.startswith(self.sku[:-1]) if self.sku.endswith("*") else sku == self.sku


@dataclass(frozen=True)
class Who:
    """An advocate, as rules look at them; empty where that is not known."""

    tier_id: str = ""
    country: str = ""


NOBODY = Who()


@dataclass(frozen=True)
class ForWhom:
    """What a rule gives advocates of a tier, or in a country, instead of its own rate or sum."""

    of: Literal["tier", "country"]
    key: str
    """the tier's id, or two letters"""
    called: str
    """the tier's name when the version was written, or the two letters"""
    value: int
    """basis points of a percentage; of a sum minor units, or points"""

    def fits(self, who: Who) -> bool:
        """Whether somebody is meant."""
        return self.key == (who.tier_id if self.of == "tier" else who.country)


@dataclass(frozen=True)
class Conditions:
    """All of them; a rule without any rewards the whole amount at one rate, always."""

    products: tuple[ProductRate, ...] = ()
    """the first that covers a line is its rate; what none covers has the rule's own"""
    without: tuple[Part, ...] = ()
    """tax and shipping are taken out of the base; without the discount means: as if it had not been given"""
    first_months: int = 0
    """of a customer, from their first conversion that was somebody's; 0 for ever"""
    cap_minor: int = 0
    """the most that an advocate earns by the rule in a period, in the currency of the programme or in points"""
    cap_period: CapPeriod = "month"
    customer_coupon: str = ""
    """what the referred customer gets, once: a coupon, or a credit"""
    customer_credit_minor: int = 0
    customer_currency: str = ""
    milestones: tuple[int, ...] = ()
    """which sale or lead of an advocate, or what sum of sales in minor units; each is reached once"""
    milestone_counts: Counted = "sales"
    milestone_currency: str = ""
    """of a sum"""
    for_whom: tuple[ForWhom, ...] = ()
    """the first that fits an advocate counts; whom none fits has the rule's own; what products earn stays"""
    pays_in: str = ""
    """the currency that a percentage is paid in, by the exchange rate of the sale's day; empty: the sale's own"""

    def __post_init__(self) -> None:
        """Refuse what means nothing; raises WrongConditions."""
        skus = [each.sku for each in self.products]
        rates = all(0 <= each.rate_basis_points <= WHOLE and each.flat_minor >= 0 for each in self.products)
        rates &= min((each.value for each in self.for_whom), default=0) >= 0
        named = all(0 < len(each) <= LONGEST_SKU for each in skus) and len(set(skus)) == len(skus)
        few = len(skus) <= MOST_PRODUCTS and 0 <= self.first_months <= MOST_MONTHS
        known = set(self.without) <= set(get_args(Part)) and self.cap_period in get_args(CapPeriod)
        known &= self.milestone_counts in get_args(Counted) and len(self.milestones) <= MOST_MILESTONES
        named &= len(set(self.milestones)) == len(self.milestones) and min(self.milestones, default=1) > 0
        named &= len({(each.of, each.key) for each in self.for_whom}) == len(self.for_whom) <= MOST_FOR_WHOM
        one_gift = not (self.customer_coupon and self.customer_credit_minor)
        if (
            not (rates and named and few and known and one_gift)
            or min(self.cap_minor, self.customer_credit_minor) < 0
        ):
            raise WrongConditions

    @property
    def gives_customer(self) -> bool:
        """Whether the customer gets something, too."""
        return bool(self.customer_coupon or self.customer_credit_minor)

    def rate_of(self, sku: str) -> ProductRate | None:
        """The rate of a line, None where it has the rule's own."""
        return next((each for each in self.products if each.covers(sku)), None)

    def given_to(self, who: Who) -> ForWhom | None:
        """What somebody gets instead of the rule's own; None where they get that."""
        return next((each for each in self.for_whom if each.fits(who)), None)


def written(conditions: Conditions) -> dict[str, Any]:
    """As it is kept: only what is not as usual."""
    usual = asdict(Conditions())
    said = {name: value for name, value in asdict(conditions).items() if value != usual[name]}
    return {
        name: [list(each.values()) for each in value] if name in {"products", "for_whom"} else value
        for name, value in said.items()
    }


def read(kept: Mapping[str, Any]) -> Conditions:
    """What was written."""
    if not kept:
        return NONE
    products = tuple(ProductRate(*each) for each in kept.get("products", ()))
    for_whom = tuple(ForWhom(*each) for each in kept.get("for_whom", ()))
    lists = {"without": tuple(kept.get("without", ())), "milestones": tuple(kept.get("milestones", ()))}
    return Conditions(**{**kept, "products": products, "for_whom": for_whom, **lists})


NONE = Conditions()


def cap_period_of(conditions: Conditions, at: datetime, zone: ZoneInfo) -> str:
    """The period of a cap that a moment is in, where the programme is: `2026-11`, `2026-Q4`, `2026`."""
    local = at.astimezone(zone)
    if conditions.cap_period == "month":
        return f"{local:%Y-%m}"
    if conditions.cap_period == "quarter":
        return f"{local.year}-Q{(local.month - 1) // MONTHS_OF_QUARTER + 1}"
    return str(local.year)


def month_of_customer(first: datetime, at: datetime, zone: ZoneInfo) -> int:
    """1 in the month that begins with a customer's first conversion, 2 from the same day of the next month on.

    A month that is too short for the day turns on its last one's end: after 31 January the second begins on 1 March.
    """
    begun, local = first.astimezone(zone), at.astimezone(zone)
    whole = (local.year - begun.year) * MONTHS_OF_YEAR + local.month - begun.month
    before_the_day = (local.day, local.time()) < (begun.day, begun.time())
    return max(1, whole + (0 if before_the_day else 1))


def sentences(conditions: Conditions, says_cap: str, says: Callable[[int], str]) -> Sequence[str]:
    """Each in words; `says_cap` is the sum of the cap for people, `says` puts a rate or a sum of the rule into words."""
    said = [
        f"{says(each.flat_minor)} for each {each.sku}"
        if each.flat_minor
        else f"{percent(each.rate_basis_points)} for {each.sku}"
        for each in conditions.products
    ]
    said += [f"{says(each.value)} for {whom(each)}" for each in conditions.for_whom]
    said += [f"without {each}" if each != "discount" else "before discount" for each in conditions.without]
    if conditions.first_months:
        said.append(f"in a customer's first {conditions.first_months} months")
    if conditions.pays_in:
        said.append(f"paid in {conditions.pays_in}")
    if conditions.cap_minor:
        said.append(f"at most {says_cap} a {conditions.cap_period}")
    if conditions.customer_coupon:
        said.append(f"the customer gets the coupon {conditions.customer_coupon}")
    if conditions.customer_credit_minor:
        credit = Money(conditions.customer_credit_minor, conditions.customer_currency).format()
        said.append(f"the customer gets a credit of {credit}")
    return said


def whom(meant: ForWhom) -> str:
    """`the tier Gold`, `advocates in DE`."""
    return f"the tier {meant.called}" if meant.of == "tier" else f"advocates in {meant.called}"


def percent(rate_basis_points: int) -> str:
    """`10 %`, `12.5 %`."""
    whole, rest = divmod(rate_basis_points, 100)
    return f"{whole}.{rest:02d}".rstrip("0") + " %" if rest else f"{whole} %"


def milestone_words(conditions: Conditions) -> str:
    """`the 10th and 50th sale`, `€1,000.00 of sales`."""
    return " and ".join(reached_words(conditions, each) for each in sorted(conditions.milestones))


def reached_words(conditions: Conditions, at: int) -> str:
    """One of them: `the 10th sale`, `€1,000.00 of sales`."""
    if conditions.milestone_counts == "revenue":
        return f"{Money(at, conditions.milestone_currency).format()} of sales"
    return f"the {ordinal(at)} {conditions.milestone_counts.removesuffix('s')}"


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `11th`."""
    few = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in {11, 12, 13} else few}"
