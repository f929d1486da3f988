"""ISO 20022 pain.001.001.09, the customer's credit transfer: written, and held against its schema and what banks ask beyond it.

The schema is ISO's own, as sepaxml brings it along. What it cannot say is the SEPA credit transfer's (European Payments Council,
EPC115-06: characters, SLEV, amounts in euros) and its sums'; other currencies go without the SEPA service level.
"""

import io
import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as ET

from anyascii import anyascii

from core.money import Money, decimals
from rewards.payouts.bank_accounts import Details

if TYPE_CHECKING:
    from xmlschema import XMLSchema

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
NAME, REFERENCE, REMITTANCE = 70, 35, 140
_SAID = frozenset({"MsgId", "PmtInfId", "EndToEndId", "Nm", "Ustrd"})
"""in the characters that every SEPA bank takes"""
_SEPA = re.compile(r"[A-Za-z0-9/\-?:().,'+ ]*")
_OUTSIDE = re.compile(r"[^A-Za-z0-9/\-?:().,'+ ]")
_MOST_SEPA, _MOST = Decimal("999999999.99"), Decimal(10) ** 13


class Credit(NamedTuple):
    """One transfer of a file."""

    reference: str
    """EndToEndId: what the bank names it by, at most 35 characters"""
    to: Details
    money: Money
    says: str


class Order(NamedTuple):
    """A file: who pays what to whom, and when."""

    message_id: str
    made_at: datetime
    on: date
    payer: Details
    transfers: Sequence[Credit]
    """all in one currency"""

    @property
    def by_sepa(self) -> bool:
        """Whether they are in euros; anything else goes by the bank's own ways, charges shared."""
        return self.transfers[0].money.currency == "EUR"


def written(order: Order) -> bytes:
    """The message as XML, the same bytes for the same order."""
    ET.register_namespace("", NAMESPACE)
    document = ET.Element(_tag("Document"))
    root = _below(document, "CstmrCdtTrfInitn")
    total = str(sum((each.money.major for each in order.transfers), Decimal(0)))
    header = _below(root, "GrpHdr")
    _texts(header, MsgId=order.message_id, CreDtTm=f"{order.made_at:%Y-%m-%dT%H:%M:%S}Z")
    _texts(header, NbOfTxs=str(len(order.transfers)), CtrlSum=total)
    _texts(_below(header, "InitgPty"), Nm=plain(order.payer.holder, NAME))
    payment = _below(root, "PmtInf")
    _texts(payment, PmtInfId=order.message_id, PmtMtd="TRF", BtchBookg="false")
    _texts(payment, NbOfTxs=str(len(order.transfers)), CtrlSum=total)
    if order.by_sepa:
        _texts(_below(_below(payment, "PmtTpInf"), "SvcLvl"), Cd="SEPA")
    _texts(_below(payment, "ReqdExctnDt"), Dt=order.on.isoformat())
    _texts(_below(payment, "Dbtr"), Nm=plain(order.payer.holder, NAME))
    _account(payment, "DbtrAcct", order.payer)
    _bank(payment, "DbtrAgt", order.payer)
    _texts(payment, ChrgBr="SLEV" if order.by_sepa else "SHAR")
    for each in order.transfers:
        _credit(payment, each)
    ET.indent(document)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(document, encoding="unicode")}\n'.encode()


def _credit(payment: ET.Element, credit: Credit) -> None:
    one = _below(payment, "CdtTrfTxInf")
    _texts(_below(one, "PmtId"), EndToEndId=credit.reference)
    amount = _below(_below(one, "Amt"), "InstdAmt")
    amount.set("Ccy", credit.money.currency)
    amount.text = str(credit.money.major)
    if credit.to.bic:
        _bank(one, "CdtrAgt", credit.to)
    _texts(_below(one, "Cdtr"), Nm=plain(credit.to.holder, NAME))
    _account(one, "CdtrAcct", credit.to)
    _texts(_below(one, "RmtInf"), Ustrd=plain(credit.says, REMITTANCE))


def _account(above: ET.Element, name: str, of: Details) -> None:
    _texts(_below(_below(above, name), "Id"), IBAN=of.iban)


def _bank(above: ET.Element, name: str, of: Details) -> None:
    institution = _below(_below(above, name), "FinInstnId")
    if of.bic:
        _texts(institution, BICFI=of.bic)
    else:
        _texts(_below(institution, "Othr"), Id="NOTPROVIDED")


def plain(text: str, longest: int) -> str:
    """The text in the characters that every SEPA bank takes: other letters as they are written in them, what has no likeness as a point."""
    bare = anyascii(text)
    return _OUTSIDE.sub(".", bare).strip()[:longest].strip() or "."


def problems(xml: bytes) -> list[str]:
    """Where a message breaks the rules of its schema, or of banks, as sentences; none is the proof."""
    root = ET.fromstring(xml)  # noqa: S314 - we wrote it ourselves
    found = [f"{each.path}: {each.reason}" for each in _schema().iter_errors(io.BytesIO(xml))]
    found += [f"{name} {text!r} is not right." for name, text in _wrong(root)]
    amounts = [Decimal(each.text or "0") for each in root.iter(_tag("InstdAmt"))]
    for part in (*root.iter(_tag("GrpHdr")), *root.iter(_tag("PmtInf"))):
        if part.findtext(_tag("NbOfTxs")) != str(len(amounts)):
            found.append("NbOfTxs is not the number of transfers.")
        if Decimal(part.findtext(_tag("CtrlSum")) or "-1") != sum(amounts):
            found.append("CtrlSum is not the sum of the transfers.")
    references = [each.text for each in root.iter(_tag("EndToEndId"))]
    if len(set(references)) != len(references):
        found.append("EndToEndId is given twice.")
    currencies = {each.get("Ccy") for each in root.iter(_tag("InstdAmt"))}
    if len(currencies) > 1:
        found.append("There are several currencies.")
    sepa = [each.text for each in root.iter(_tag("Cd"))] == ["SEPA"]
    charges = {each.text for each in root.iter(_tag("ChrgBr"))}
    if sepa != (currencies == {"EUR"}) or charges != {"SLEV" if sepa else "SHAR"}:
        found.append("Euros go by SEPA with SLEV, other currencies without it with SHAR.")
    return found + (["There is no transfer."] if not amounts else [])


@cache
def _schema() -> "XMLSchema":
    """Read when it is first needed: only who exports a bank file waits for it."""
    from xmlschema import XMLSchema

    return XMLSchema(str(files("sepaxml") / "schemas" / "pain.001.001.09.xsd"))


def _wrong(root: ET.Element) -> Iterator[tuple[str, str]]:
    for each in root.iter():
        name, text = each.tag.removeprefix(f"{{{NAMESPACE}}}"), each.text or ""
        if name in _SAID and not _SEPA.fullmatch(text):
            yield name, text
        if name == "InstdAmt" and not _is_sum(text, each.get("Ccy") or ""):
            yield name, f"{text} {each.get('Ccy')}"


def _is_sum(text: str, currency: str) -> bool:
    """A positive amount with the decimals of its currency; in SEPA at most 999,999,999.99."""
    try:
        amount, places = Decimal(text), len(text.partition(".")[2])
    except ArithmeticError:  # the schema says so, too
        return False
    most = _MOST_SEPA if currency == "EUR" else _MOST
    return places == decimals(currency) and 0 < amount <= most


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _below(above: ET.Element, name: str) -> ET.Element:
    return ET.SubElement(above, _tag(name))


def _texts(above: ET.Element, **texts: str) -> None:
    for name, text in texts.items():
        _below(above, name).text = text
