"""What tests may order at `/_sandbox/…`, parsed and checked."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Currency = Field(pattern=r"^[a-z]{3}$")


class Order(BaseModel):
    """The base of all orders: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class ClockOrder(Order):
    """Seconds ahead of the machine's time."""

    offset_s: float = Field(ge=-(10**9), le=10**9)


class PlatformOrder(Order):
    """What Stripe lets the platform use."""

    accounts_v2: bool


class BalanceOrder(Order):
    """Set what the platform (or an account) holds, in minor units."""

    currency: str = Currency
    amount: int = Field(ge=0, le=10**15)
    account: str = ""


class AccountOrder(Order):
    """Change an account from Stripe's side, e.g. restrict it."""

    transfers: Literal["active", "inactive", "pending"] | None = None
    payouts_enabled: bool | None = None
    disabled_reason: str | None = None
    currently_due: list[str] | None = None


class OnboardOrder(Order):
    """Complete onboarding without the page."""

    holder: str = "Test Holder"
    last4: str = Field(default="6789", pattern=r"^[0-9]{4}$")


class PayoutOrder(Order):
    """Pay out an account: by default all it holds in its own currency, landed at once."""

    amount: int | None = Field(default=None, ge=1)
    currency: str | None = Field(default=None, pattern=r"^[a-z]{3}$")
    outcome: Literal["in_transit", "paid", "failed"] = "paid"
    failure_code: str = "could_not_process"


class FailureOrder(Order):
    """Why a payout failed."""

    failure_code: str = "could_not_process"


class EventOrder(Order):
    """An event of any type about any object."""

    type: str = Field(min_length=1, max_length=120)
    data: dict[str, Any]
    account: str = ""


class EndpointOrder(Order):
    """A webhook endpoint."""

    url: str
    secret: str


class WebhookOrder(Order):
    """Endpoints and how deliveries behave; what is absent stays as it is."""

    platform: EndpointOrder | None = None
    connect: EndpointOrder | None = None
    paused: bool | None = None
    newest_first: bool | None = None
    copies: int | None = Field(default=None, ge=1, le=100)
    delay_s: float | None = Field(default=None, ge=0, le=600)
    skew_s: float | None = None
    retry_s: float | None = Field(default=None, ge=0, le=600)
    max_attempts: int | None = Field(default=None, ge=1, le=100)
