"""Cursor lists: newest first, `limit`, `starting_after`, `ending_before`, `created[gte]`, `has_more`."""

import json

from sandbox.stripe import params
from sandbox.stripe.call import Call
from sandbox.stripe.errors import StripeRefusal, no_such
from sandbox.stripe.form import Tree
from sandbox.stripe.store import Json, decoded

NAMES = ("limit", "starting_after", "ending_before", "created")
DEFAULT_LIMIT, MAX_LIMIT = 10, 100
BOUNDS = {"gt", "gte", "lt", "lte"}

PAGE = """
SELECT body FROM objects WHERE kind = :kind AND owner = :owner
  AND (:subjects IS NULL OR subject IN (SELECT value FROM json_each(:subjects)))
  AND (:grouping IS NULL OR grouping = :grouping)
  AND (:part_of IS NULL OR id IN (SELECT part FROM payout_parts WHERE payout = :part_of))
  AND created >= :first AND created <= :last AND seq < :older_than AND seq > :newer_than
"""
NEWEST = PAGE + "ORDER BY seq DESC LIMIT :limit"
NEXT_NEWER = PAGE + "ORDER BY seq LIMIT :limit"
END = 2**62


def page(
    call: Call, kind: str, *, subjects: list[str] | None = None, grouping: str | None = None, part_of: str | None = None
) -> Json:  # fmt: skip
    """One page of the owner's objects of this kind, filtered by subject, grouping, payout and the usual list parameters."""
    limit = _limit(call.params)
    after, before = params.text(call.params, "starting_after"), params.text(call.params, "ending_before")
    if after and before:
        raise StripeRefusal(
            "You can't use starting_after and ending_before together.", code="parameters_exclusive"
        )
    first, last = _created(call.params)
    rows = call.store.rows(
        NEXT_NEWER if before else NEWEST,
        {
            "kind": kind, "owner": call.owner, "grouping": grouping, "part_of": part_of, "limit": limit + 1, "first": first, "last": last,
            "subjects": None if subjects is None else json.dumps(subjects),
            "older_than": _seq(call, kind, after, "starting_after") if after else END,
            "newer_than": _seq(call, kind, before, "ending_before") if before else 0,
        },
    )  # fmt: skip
    bodies = [decoded(row["body"]) for row in rows[:limit]]
    return listed(bodies[::-1] if before else bodies, call.path, more=len(rows) > limit)


def listed(bodies: list[Json], url: str, *, more: bool = False) -> Json:
    """The list object around these bodies."""
    return {"object": "list", "data": bodies, "has_more": more, "url": url}


def _limit(sent: Tree) -> int:
    limit = params.integer(sent, "limit")
    if limit is not None and not 1 <= limit <= MAX_LIMIT:
        raise StripeRefusal(
            f"Limit must be between 1 and {MAX_LIMIT}.", code="parameter_invalid_integer", param="limit"
        )
    return limit or DEFAULT_LIMIT


def _created(sent: Tree) -> tuple[int, int]:
    """First and last Unix second wanted, both included."""
    if isinstance(sent.get("created"), str):
        exact = params.integer(sent, "created") or 0
        return exact, exact
    bounds = params.branch(sent, "created")
    if unknown := set(bounds) - BOUNDS:
        raise StripeRefusal("Invalid range.", code="parameter_unknown", param=f"created[{min(unknown)}]")
    first, last = 0, END
    for name, shift in (("gte", 0), ("gt", 1)):
        bound = params.integer(bounds, name)
        first = first if bound is None else max(first, bound + shift)
    for name, shift in (("lte", 0), ("lt", -1)):
        bound = params.integer(bounds, name)
        last = last if bound is None else min(last, bound + shift)
    return first, last


def _seq(call: Call, kind: str, object_id: str, param: str) -> int:
    row = call.store.row(
        "SELECT seq FROM objects WHERE id = :id AND kind = :kind AND owner = :owner",
        {"id": object_id, "kind": kind, "owner": call.owner},
    )
    if row is None:
        raise no_such(kind, object_id, param=param)
    return int(row["seq"])
