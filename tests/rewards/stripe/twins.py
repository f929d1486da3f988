"""One order in two tellings: Stripe's, which nobody won, and a shop's, which somebody wins."""

from core.db import transaction
from referrals.conversions.conversions import Conversion
from rewards.stripe import stripe_events
from tests.factories import Cast
from tests.referrals.stories import bring
from tests.rewards.stripe.shop import every

NUMBER = "1042"


def shop_tells(cast: Cast, amount_minor: int = 50_000) -> Conversion:
    with transaction():
        sale = bring(cast.north.id, external_id=NUMBER, amount_minor=amount_minor, code="ana")
    stripe_events.apply_events()
    return sale


def given_back() -> dict[str | None, int]:
    """Winner → what was given back."""
    return {each.membership_id: each.refunded_minor for each in every()}


def south_tells(cast: Cast, amount_minor: int) -> Conversion:
    """Another unit sells under the same number."""
    with transaction():
        sale = bring(cast.south.id, external_id=NUMBER, amount_minor=amount_minor, code="sue")
    stripe_events.apply_events()
    return sale
