"""What the API's document says beside what the doors declare: in words, for people who integrate."""

from typing import Any

ABOUT = """The API of an advocate programme: report sales and refunds, read and open links, read clicks, rewards and leaderboards.

**Keys.** Send `Authorization: Bearer KEY`. A key belongs to a unit and sees that unit and everything below it; what is another unit's is not found (404).
Each address needs one scope; without it the answer is 403.

**Once.** `external_id` makes conversions and refunds repeatable: the same content again answers 200 and what was answered first, other content 409.
Links are repeatable by `Idempotency-Key`, or by their code.

**Lists** answer `{"items": […], "next": cursor or null}` and take `limit` (up to 1,000) and `after`, the cursor of the page before. Rows that arrive
meanwhile neither repeat nor hide others. A cursor is opaque, and one that was changed is refused.

**Rates.** Each key may ask so often in a minute: `RateLimit-Policy` says how often, `RateLimit` how much is left and for how many seconds. Beyond that the
answer is 429, and `Retry-After` says how many seconds to wait. A batch counts as one request.

**Money** is whole minor units with their currency: 12900 and EUR are €129.00. **Moments** are ISO 8601 with a time zone; answers are in UTC.

**Errors** are `{"error": "CamelCaseName", "message": "a sentence", "details": {…}}`. 429 and 503 pass: send the same again after `Retry-After` seconds."""

TAGS = {
    "conversions": "Leads and sales, with whose they were and why.",
    "refunds": "Money given back on a sale.",
    "links": "Share links of advocates.",
    "clicks": "Visits by links.",
    "advocates": "Who speaks for you.",
    "leaderboard": "Who has most of a metric in a range of days.",
    "rewards": "What advocates are owed, line by line.",
    "payouts": "What is sent to advocates.",
    "postback": "A lead or a sale from a system that can only call an address.",
    "redirect": "What visitors of a link meet.",
}

MEANING = {
    200: "Done.",
    201: "Stored.",
    400: "It could not be read.",
    401: "No key, or a wrong one.",
    403: "The key lacks the scope.",
    404: "There is nothing here, or not for this key.",
    409: "It conflicts with what is there.",
    413: "It is too much at once.",
    415: "It has another content type than is needed.",
    422: "It was read, and something in it is not valid.",
    429: "Too many requests in this minute.",
    503: "Busy for a moment: send it again.",
}

AGAIN = "It was here before: what was answered first."
"""200 where the first answer is 201"""

HEADERS: dict[str, dict[str, Any]] = {
    "RateLimit": {
        "description": "What is left of the rate, and in how many seconds it begins anew.",
        "schema": {"type": "string", "examples": ['"reads";r=2999;t=42']},
    },
    "RateLimit-Policy": {
        "description": "How many requests (q) the key may send in a window of w seconds.",
        "schema": {"type": "string", "examples": ['"reads";q=3000;w=60']},
    },
    "Retry-After": {
        "description": "How many seconds to wait.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
}

SENT_WITH = {
    403: ("RateLimit", "RateLimit-Policy"),
    429: ("RateLimit", "RateLimit-Policy", "Retry-After"),
    503: ("Retry-After",),
}
"""status → the headers that a refusal has"""

IDEMPOTENCY_KEY = {
    "type": "string",
    "minLength": 1,
    "maxLength": 200,
    "pattern": "^[!-~]+$",
    "description": "The same key and content again answer the link that was opened first; other content is refused (409).",
}

REDIRECT: dict[str, Any] = {
    "get": {
        "operationId": "follow_link",
        "tags": ["redirect"],
        "summary": "Forward a visitor to where the link leads.",
        "description": (
            "The address gets UTM parameters and `spk`, the signed click token, which is also set as a first-party cookie `spk`. Send the token with the "
            "order as `click`; its part before the first dot is the click's id. HEAD, prefetch and known bots are forwarded and not counted."
        ),
        "security": [],
        "parameters": [{"name": "code", "in": "path", "required": True, "schema": {"type": "string"}}],
        "responses": {
            "302": {
                "description": "To the destination.",
                "headers": {"Location": {"required": True, "schema": {"type": "string", "format": "uri"}}},
            },
            "404": {
                "description": "No link has this code (any more).",
                "content": {"text/html": {"schema": {"type": "string"}}},
            },
        },
    }
}

_PLAIN = {"content": {"text/plain": {"schema": {"type": "string"}}}}
_REFUSED = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}}
_POSTED_BACK: dict[str, tuple[dict[str, Any], str]] = {
    "order": ({"type": "string", "maxLength": 200}, "The shop's number of the order."),
    "click": ({"type": "string", "maxLength": 300}, "The click token."),
    "code": ({"type": "string", "maxLength": 300}, "An advocate's code."),
    "coupon": ({"type": "string", "maxLength": 300}, "An advocate's coupon."),
    "customer": ({"type": "string", "maxLength": 200}, "The shop's id of the customer."),
    "kind": ({"enum": ["lead", "sale"]}, "Without it a sale when there is an amount, else a lead."),
    "amount": (
        {"type": "string", "pattern": "^[0-9]{1,12}([.][0-9]{1,4})?$"},
        "In the main unit, like `129.00`; needs its currency.",
    ),
    "currency": ({"type": "string"}, "ISO 4217, like `EUR`."),
    "at": ({"type": "string", "format": "date-time"}, "When it was; else now."),
}


def _posts_back(name: str, key: list[dict[str, list[str]]], parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "get": {
            "operationId": name,
            "tags": ["postback"],
            "summary": "Store a conversion that an affiliate system posts back.",
            "description": (
                "`POST` takes the same words, in the address or as a form. At least one of `click`, `code`, `coupon`, `customer` is needed. "
                "Of an order that is known with the same kind, amount and currency nothing else is looked at."
            ),
            "security": key,
            "parameters": [
                *parts,
                *(
                    {
                        "name": word,
                        "in": "query",
                        "required": word == "order",
                        "schema": schema,
                        "description": says,
                    }
                    for word, (schema, says) in _POSTED_BACK.items()
                ),
            ],
            "responses": {
                "200": {"description": "OK recorded; or OK known, for a repetition.", **_PLAIN},
                **{
                    str(each): {"description": MEANING[each], **_REFUSED}
                    for each in (401, 403, 409, 422, 429)
                },
            },
        }
    }


_SECRET = {
    "name": "secret",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "description": "A key with the one scope `postback:write`, which is good for nothing else.",
}
BESIDE: dict[str, dict[str, Any]] = {
    "/r/{code}": REDIRECT,
    "/webhooks/postback": _posts_back("post_back_with_key", [{"key": ["conversions:write"]}], []),
    "/webhooks/postback/{secret}": _posts_back("post_back", [], [_SECRET]),
}
"""doors that are written down although they are none of the API's"""

WEBHOOK: dict[str, Any] = {
    "parameters": [
        {
            "name": name,
            "in": "header",
            "required": True,
            "description": sentence,
            "schema": {"type": "string"},
        }
        for name, sentence in {
            "webhook-id": "The message's id: the same in every try, so act on it once.",
            "webhook-timestamp": "Seconds since 1970.",
            "webhook-signature": "`v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64 (Standard Webhooks).",
        }.items()
    ],
    "responses": {
        "2XX": "Taken.",
        "410": "The endpoint is gone: it is disabled.",
        "default": "Not taken: it is sent again later.",
    },
}
