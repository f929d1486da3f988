"""Since when a customer is somebody's: their first conversion that was won, and their first sale."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, literal_column
from sqlalchemy import select as select_columns
from sqlmodel import col

from core.reading import Columns, Reading, among
from referrals.conversions.conversion_rows import Conversion

Customer = tuple[str, str]
"""the unit whose shop knows them, and its id of them"""

Firsts = tuple[datetime, datetime | None]


def first_of(customers: Iterable[Customer]) -> dict[Customer, Firsts]:
    """Customer → the moments of their first won conversion and of their first won sale, if there is one."""
    wanted = set(customers)
    if not wanted:
        return {}
    rows = _FIRST.rows((key for _, key in wanted), units=sorted({unit for unit, _ in wanted}))
    return {(unit, key): (first, sale) for unit, key, first, sale in rows}


def _first() -> Columns:
    is_sale = col(Conversion.kind) == literal_column("'sale'")
    columns: tuple[Any, ...] = (
        *(col(Conversion.unit_id), col(Conversion.customer_id), func.min(col(Conversion.occurred_at))),
        func.min(case((is_sale, col(Conversion.occurred_at)))),
    )
    theirs = among(Conversion.unit_id, "units"), among(Conversion.customer_id)
    won = select_columns(*columns).where(*theirs, col(Conversion.membership_id).is_not(None))
    return won.group_by(col(Conversion.unit_id), col(Conversion.customer_id))


_FIRST = Reading(_first)
