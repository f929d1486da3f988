"""Coupons and the promotion codes that buyers type."""

from sandbox.stripe import lists, params
from sandbox.stripe.balance import known_currency
from sandbox.stripe.call import Call
from sandbox.stripe.errors import StripeRefusal, missing_param, no_such
from sandbox.stripe.form import Tree
from sandbox.stripe.ids import new_id
from sandbox.stripe.store import Json, Store

WHOLE = 100
DURATIONS = ("forever", "once", "repeating")


def create(call: Call) -> Json:
    """`POST /v1/coupons`: percent_off, or amount_off with a currency."""
    params.allow(call.params, "id", "percent_off", "amount_off", "currency", "duration", "name", "metadata")
    percent, amount = params.integer(call.params, "percent_off"), params.amount(call.params, "amount_off")
    if (percent is None) == (amount is None):
        raise missing_param("percent_off")
    if percent is not None and not 0 < percent <= WHOLE:
        raise StripeRefusal("percent_off is between 1 and 100.", param="percent_off")
    duration = params.text(call.params, "duration") or "once"
    if duration not in DURATIONS:
        raise StripeRefusal(f"Invalid duration: must be one of {', '.join(DURATIONS)}", param="duration")
    currency = params.text(call.params, "currency")
    body: Json = {
        "id": params.text(call.params, "id") or new_id("", 8)[1:], "object": "coupon", "amount_off": amount,
        "created": call.now, "currency": known_currency(currency) if currency else None, "duration": duration,
        "duration_in_months": None, "livemode": False, "max_redemptions": None,
        "metadata": params.metadata(call.params, {}), "name": params.text(call.params, "name"),
        "percent_off": percent, "redeem_by": None, "times_redeemed": 0, "valid": True,
    }  # fmt: skip
    call.store.add("coupon", body)
    return body


def retrieve(call: Call, coupon: str) -> Json:
    """`GET /v1/coupons/{coupon}`."""
    params.allow(call.params)
    return existing(call.store, coupon, status=404)


def create_code(call: Call) -> Json:
    """`POST /v1/promotion_codes` for a coupon; the code is made up when none is asked for."""
    params.allow(call.params, "promotion", "code", "metadata")
    promotion = params.branch(call.params, "promotion")
    coupon = existing(call.store, params.required(promotion, "coupon"))
    code = params.text(call.params, "code") or new_id("", 8)[1:].upper()
    if find_code(call.store, code) is not None:
        raise StripeRefusal(f"An active promotion code with `code: {code}` already exists.", param="code")
    body: Json = {
        "id": new_id("promo"), "object": "promotion_code", "active": True, "code": code, "created": call.now,
        "customer": None, "expires_at": None, "livemode": False, "max_redemptions": None,
        "metadata": params.metadata(call.params, {}), "promotion": {"coupon": coupon["id"], "type": "coupon"},
        "restrictions": {
            "first_time_transaction": False, "minimum_amount": None, "minimum_amount_currency": None,
        },
        "times_redeemed": 0,
    }  # fmt: skip
    call.store.add("promotion_code", body, subject=code.lower())
    return body


def retrieve_code(call: Call, promotion_code: str) -> Json:
    """`GET /v1/promotion_codes/{id}`."""
    params.allow(call.params)
    body = call.store.find("promotion_code", promotion_code)
    if body is None:
        raise no_such("promotion code", promotion_code, param="id", status=404)
    return body


def list_codes(call: Call) -> Json:
    """`GET /v1/promotion_codes`, also by `code`."""
    params.allow(call.params, "code", *lists.NAMES)
    code = params.text(call.params, "code")
    return lists.page(call, "promotion_code", subjects=[code.lower()] if code else None)


def existing(store: Store, coupon: str, *, status: int = 400) -> Json:
    """The coupon, or a refusal."""
    body = store.find("coupon", coupon)
    if body is None:
        raise no_such("coupon", coupon, param="coupon", status=status)
    return body


def find_code(store: Store, code: str) -> Json | None:
    """The promotion code that a buyer typed, without case."""
    row = store.row(
        "SELECT id FROM objects WHERE kind = 'promotion_code' AND subject = :code", {"code": code.lower()}
    )
    return store.find("promotion_code", row["id"]) if row else None


def named(store: Store, discounts: list[Tree]) -> list[Json]:
    """`discounts[0][coupon]` or `[promotion_code]` as a session keeps them."""
    found = []
    for each in discounts:
        if promotion := params.text(each, "promotion_code"):
            code = store.find("promotion_code", promotion)
            if code is None:
                raise no_such("promotion code", promotion, param="discounts")
            found.append(of_code(code))
        else:
            coupon = existing(store, params.required(each, "coupon"))
            found.append({"coupon": coupon["id"], "promotion_code": None})
    return found


def of_code(code: Json) -> Json:
    """The discount that a promotion code gives."""
    return {"coupon": code["promotion"]["coupon"], "promotion_code": code["id"]}


def amount_off(store: Store, discounts: list[Json], subtotal: int) -> int:
    """What the discounts take off a subtotal."""
    left = subtotal
    for each in discounts:
        coupon = existing(store, each["coupon"])
        off = left * coupon["percent_off"] // WHOLE if coupon["percent_off"] else coupon["amount_off"]
        left -= min(left, off)
    return subtotal - left
