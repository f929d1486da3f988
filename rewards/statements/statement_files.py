"""A statement as a file: CSV for whoever reckons with it, a printed page for whoever files it."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import cache

from advocates.membership import Membership
from core import pdf
from core.money import POINTS
from core.people import get_person
from core.spreadsheets import Cell, as_csv
from hub.programmes import get_programme
from rewards.statements.statements import Account, Line, Statement, first_day
from rewards.tax.invoices import Invoice, invoices_of

FONTS = pdf.ROOT / "static" / "vendor"
HEADER = ("Day", "What", "For", "Reason", "Reference", "Amount", "Currency")
WORDS = {
    "reward.granted": "earned",
    "reward.reduced": "refund",
    "reward.restored": "given again",
    "reward.denied": "denied",
    "reward.clawed_back": "taken back",
    "points.credited": "points",
    "points.taken_back": "taken back",
    "points.spent": "spent",
    "points.returned": "spent points back",
    "payout.sent": "paid out",
    "payout.reversed": "came back",
    "reward.written_off": "written off",
}
"""the ledger's words in a reader's"""
EARNED = ("reward.granted", "points.credited")
PAID_OUT = ("payout.sent", "payout.reversed")
SPENT = ("points.spent", "points.returned")
TAKEN_BACK = (
    "reward.restored",
    "reward.reduced",
    "reward.denied",
    "reward.clawed_back",
    "points.taken_back",
    "reward.written_off",
)


def as_table(found: Statement, membership: Membership) -> bytes:
    """CSV: of each currency the opening balance, every change with its reason, the closing balance; exact decimals.

    Of what is too much to be told one by one there is a row with the sum.
    """
    return as_csv(HEADER, _rows(found, membership))


def _rows(found: Statement, membership: Membership) -> Iterator[Sequence[Cell]]:
    zone = get_programme(membership.programme_id).zone
    for account in found.accounts:
        yield (
            found.first.isoformat(),
            "owed at the start",
            "",
            "",
            "",
            account.opening.major,
            account.currency,
        )
        for line in account.lines:
            day = f"{line.at.astimezone(zone):%Y-%m-%d}"
            about = word(line), what_for(line), reason(line), reference(line)
            yield (day, *about, line.amount.major, account.currency)
        if account.left_out:
            yield ("", f"{account.left_out} more changes", "", "", "", account.rest.major, account.currency)
        last = f"{found.ends_at.astimezone(zone):%Y-%m-%d}"
        yield (f"before {last}", "owed at the end", "", "", "", account.closing.major, account.currency)
    for invoice in invoices_of(membership.id, found.month):
        yield from _invoiced(invoice, f"{invoice.made_at.astimezone(zone):%Y-%m-%d}")


def _invoiced(invoice: Invoice, day: str) -> Iterator[Sequence[Cell]]:
    """What an invoice says; its sum is in the lines above already."""
    title, number, currency = invoice.title, invoice.number, invoice.currency
    yield (day, f"{title}, net", "", "", number, invoice.net.major, currency)
    why = invoice.vat_sentence or f"{Decimal(invoice.vat_basis_points) / 100:f} %"
    yield (day, f"{title}, VAT", "", why, number, invoice.vat.major, currency)
    said = f"corrects {invoice.corrects}" if invoice.corrects else "as paid"
    yield (day, f"{title}, total", "", said, number, invoice.gross.major, currency)


def word(line: Line) -> str:
    """What a line is, in a word or two."""
    return WORDS.get(line.kind, line.kind)


def what_for(line: Line) -> str:
    """What it is about: the order or lead by its number, an activity, a certification, a perk, a payout."""
    if line.order is not None:
        return line.order.name
    if line.payout is not None:
        return "payout"
    if line.sale is not None:
        milestone = "milestone, " if line.reward is not None and line.reward.for_milestone else ""
        return f"{milestone}{'order' if line.sale.kind == 'sale' else 'lead'} {line.sale.external_id}"
    if line.reward is None or line.reward.kind == "carry":
        return ""
    return "activity" if line.reward.activity_id else "certification"


def reason(line: Line) -> str:
    """Why it is so much: the arithmetic, as it was then, and what was said of it."""
    return "; ".join(each for each in (line.why, line.said) if each)


def reference(line: Line) -> str:
    """What others know it by: the transfer of a payout, the line's own number else."""
    if line.order is not None:
        return line.order.id
    if line.payout is not None:
        return line.payout.transfer_id or line.payout.id
    return line.reward.id if line.reward is not None else ""


def html_of(found: Statement, membership: Membership) -> str:
    """The statement as HTML for print."""
    programme, person = get_programme(membership.programme_id), get_person(membership.person_id)
    return pdf.page(
        "statement",
        title=f"Statement {month_in_words(found.month)}",
        month=month_in_words(found.month),
        programme=programme.name,
        name=person.name,
        number=membership.number,
        zone=programme.zone,
        accounts=[(each, _sums(each)) for each in found.accounts],
        invoices=[(each, each.seller) for each in invoices_of(membership.id, found.month)],
        word=word,
        what_for=what_for,
        reason=reason,
        reference=reference,
        points=POINTS,
        fonts=fonts(),
    )


def _sums(account: Account) -> list[tuple[str, str]]:
    sums = [
        ("Owed at the start", account.opening),
        ("Earned", account.total(*EARNED)),
        ("Taken back or denied", account.total(*TAKEN_BACK)),
    ]
    if account.currency == POINTS:
        sums.append(("Spent", account.total(*SPENT)))
    else:
        sums.append(("Paid out", account.total(*PAID_OUT)))
    sums.append(("Owed at the end", account.closing))
    return [(label, amount.format()) for label, amount in sums]


def month_in_words(month: str) -> str:
    """`November 2026`."""
    return f"{first_day(month):%B %Y}"


def file_name(month: str, fmt: str) -> str:
    """What the file is called."""
    return f"statement-{month}.{fmt}"


@cache
def fonts() -> Sequence[str]:
    """Inter, where set-up has put it, as data: addresses; what it lacks comes from the machine's Noto fonts."""
    return tuple(
        pdf.data_uri("font/woff2", each.read_bytes()) for each in sorted(FONTS.glob("inter-*.woff2"))
    )
