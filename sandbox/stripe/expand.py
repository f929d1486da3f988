"""`expand[]=destination`: an id in the answer is replaced by the object it names."""

from typing import Any

from sandbox.stripe import params
from sandbox.stripe.errors import StripeRefusal
from sandbox.stripe.form import Tree
from sandbox.stripe.store import Json, Store, decoded

EXPANDABLE = {
    "balance_transaction",
    "destination",
    "transfer",
    "account",
    "promotion_code",
    "coupon",
    "source",
}
INCLUDABLE = {"line_items", "payments"}  # left out unless asked for; kept as `<id>/<name>`
MAX_DEPTH = 4  # as Stripe's


def asked(sent: Tree) -> list[str]:
    """The paths to expand, taken out of the parameters."""
    paths = params.texts(sent, "expand")
    sent.pop("expand", None)
    return paths


def expanded(store: Store, body: Json, paths: list[str]) -> Json:
    """The answer with every named path expanded; refuses a path that is not expandable."""
    for path in paths:
        steps = path.split(".")
        if len(steps) > MAX_DEPTH or steps[-1] not in EXPANDABLE | INCLUDABLE:
            raise StripeRefusal(f"This property cannot be expanded ({path}).", param="expand")
        _expand(store, body, steps)
    return body


def _expand(store: Store, node: Any, steps: list[str]) -> None:  # noqa: ANN401 - any JSON
    if isinstance(node, list):
        for entry in node:
            _expand(store, entry, steps)
    elif isinstance(node, dict) and steps == [steps[0]] and steps[0] in INCLUDABLE:
        row = store.row("SELECT body FROM objects WHERE id = :id", {"id": f"{node.get('id')}/{steps[0]}"})
        node |= {steps[0]: decoded(row["body"])["list"]} if row else {}
    elif isinstance(node, dict) and steps[0] in node:
        if len(steps) > 1:
            _expand(store, node[steps[0]], steps[1:])
        elif isinstance(node[steps[0]], str):
            row = store.row("SELECT body FROM objects WHERE id = :id", {"id": node[steps[0]]})
            node[steps[0]] = decoded(row["body"]) if row else node[steps[0]]
