"""Self-billed invoices as a table, for whoever keeps the books."""

from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

from sqlmodel import col, select

from advocates.membership import get_membership
from core.db import session
from core.spreadsheets import Cell, as_csv
from hub.programmes import get_programme
from rewards.tax.invoices import Invoice

HEADER = (
    "Number", "What", "Issued", "Month", "Supplier", "Address", "Country", "VAT number", "Customer", "Customer's VAT number",
    "Net", "VAT", "VAT rate, basis points", "Total", "Currency", "Why without VAT", "Corrects",
)  # fmt: skip


def as_table(unit_ids: frozenset[str]) -> bytes:
    """CSV: the invoices of these units in the order of their numbers; exact decimals. Raises CannotOpen."""
    return as_csv(HEADER, _rows(unit_ids))


def _rows(unit_ids: frozenset[str]) -> Iterator[Sequence[Cell]]:
    wanted = select(Invoice).where(col(Invoice.unit_id).in_(unit_ids)).order_by(col(Invoice.number))
    zones: dict[str, ZoneInfo] = {}
    for one in session().exec(wanted):
        seller = one.seller
        if one.membership_id not in zones:
            zones[one.membership_id] = get_programme(get_membership(one.membership_id).programme_id).zone
        issued = one.made_at.astimezone(zones[one.membership_id])
        yield (
            one.number, one.title, f"{issued:%Y-%m-%d}", one.month, seller["name"], seller["address"], seller["country"],
            seller["vat_id"], one.customer["name"], one.customer["vat_id"], one.net.major, one.vat.major, one.vat_basis_points,
            one.gross.major, one.currency, one.vat_sentence, one.corrects or "",
        )  # fmt: skip
