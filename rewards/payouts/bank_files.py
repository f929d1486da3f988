"""Payouts by bank file: exported once for the bank, marked as paid with its reference, given back when it refuses or returns them."""

import csv
import io
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Text, func, update
from sqlmodel import Field, SQLModel, col, select

from advocates.membership import Membership
from core import audit, events
from core.access import Actor, authorize
from core.clock import now
from core.columns import key, moment
from core.db import run, session, update_one
from core.errors import Conflict, Invalid, Unavailable
from core.files import store
from core.settings import settings
from core.spreadsheets import CSV, harmless
from hub.programmes import get_programme
from rewards.ledger import ledger
from rewards.ledger.ledger import Entry, Movement
from rewards.payouts import bank_accounts, came_back, pain001
from rewards.payouts.bank_accounts import BankAccount, Details
from rewards.payouts.pain001 import Credit, Order
from rewards.payouts.payout_decisions import give_back
from rewards.payouts.payout_outcomes import ask_to_look, tell_sent
from rewards.payouts.runs import Payout, PayoutRun, PayoutSent
from rewards.reward import Reward

RIGHT = "payout.run"
XML = "application/xml"


class BankFile(SQLModel, table=True):
    """What was exported for the bank; asked for again, it is these very bytes."""

    __tablename__ = "bank_file"

    id: str = key()
    run_id: str = Field(foreign_key="payout_run.id", index=True, sa_type=Text)
    xml_id: str = Field(foreign_key="stored_file.id", sa_type=Text)
    csv_id: str = Field(foreign_key="stored_file.id", sa_type=Text)
    currency: str = Field(default="EUR", sa_column_kwargs={"server_default": "EUR"}, sa_type=Text)
    payouts: int
    total_minor: int = Field(sa_type=BigInteger)
    made_by: str = Field(sa_type=Text)
    made_at: datetime = moment(now)


class NothingToExport(Conflict):
    """No payout of this run waits for a bank file."""


class NoPayer(Unavailable):
    """Whose account pays is not set: BANK_PAYER_NAME and BANK_PAYER_IBAN (see the operators' guide)."""


class ReferenceNeeded(Invalid):
    """Please give the bank's reference."""


class WouldBeRefused(Conflict):
    """Nothing was exported, because the bank would refuse this file."""


class NotPaid(Conflict):
    """This payout was not marked as paid by the bank, or its money came back before."""


class NotExported(Conflict):
    """This payout is in no bank file, or was answered before."""


def files_of(run_id: str) -> list[BankFile]:
    """The files of a run, the oldest first."""
    wanted = select(BankFile).where(BankFile.run_id == run_id).order_by(col(BankFile.id))
    return list(session().exec(wanted).all())


def unfiled(run_id: str) -> int:
    """How many payouts of a run wait for a bank file."""
    waiting = select(func.count()).where(
        Payout.run_id == run_id, Payout.provider == "bank", Payout.state == "reserved"
    )
    return session().exec(waiting).one()


def open_in(file: BankFile) -> int:
    """How many payouts of a file the bank has not answered for."""
    asked = select(func.count()).where(Payout.reference == file.id, Payout.state == "sending")
    return session().exec(asked).one()


def export(made: PayoutRun, *, by: Actor) -> Sequence[BankFile]:
    """Write what waits in a run into files for the bank, one a currency, as pain.001 and as CSV; never twice.

    Whose account was changed since the run was made is held, and so is what a bank would refuse: finance is asked, and where
    nothing else is left there is no file. Raises NothingToExport, NoPayer, WouldBeRefused.
    """
    authorize(by, RIGHT, made.unit_id)
    payer = _payer()
    waiting = select(Payout.currency).where(
        Payout.run_id == made.id, Payout.provider == "bank", Payout.state == "reserved"
    )
    currencies = session().exec(waiting.distinct().order_by(col(Payout.currency))).all()
    before = _held_in(made)
    files = [file for each in currencies if (file := _export(made, each, payer, by=by)) is not None]
    if not files and _held_in(made) == before:
        raise NothingToExport
    return files


def _held_in(made: PayoutRun) -> int:
    held = select(func.count()).where(Payout.run_id == made.id, Payout.state == "held")
    return session().exec(held).one()


def _export(made: PayoutRun, currency: str, payer: Details, *, by: Actor) -> BankFile | None:
    """The file of one currency; None where nothing is left for it."""
    file = BankFile(
        run_id=made.id, xml_id="", csv_id="", currency=currency, payouts=0, total_minor=0, made_by=by.id, made_at=now(),
    )  # fmt: skip
    claimed = [credit for payout in _claim(made, file) if (credit := _credit(payout)) is not None]
    day = file.made_at.astimezone(get_programme(made.programme_id).zone).date()

    def written(some: Sequence[Credit]) -> bytes:
        return pain001.written(Order(file.id, file.made_at, day, payer, some))

    transfers = _without_refused(claimed, written)
    if not transfers:
        return None
    xml = written(transfers)
    if wrong := pain001.problems(xml):
        raise WouldBeRefused(f"{WouldBeRefused.__doc__} {' '.join(wrong[:3])}")
    stored = (
        store(f"payouts-{file.id}.xml", XML, xml),
        store(f"payouts-{file.id}.csv", CSV, _table(transfers)),
    )
    file.xml_id, file.csv_id = (each.id for each in stored)
    file.payouts, file.total_minor = len(transfers), sum(each.money.amount_minor for each in transfers)
    session().add(file)
    session().flush()
    facts = {
        "payouts": file.payouts,
        "total_minor": file.total_minor,
        "currency": file.currency,
        "sha256": stored[0].sha256,
    }
    audit.record(by, "bank_file.exported", "payout_run", made.id, unit_id=made.unit_id, details=facts)
    return file


def _payer() -> Details:
    if not settings().bank_payer_name or not settings().bank_payer_iban:
        raise NoPayer
    return bank_accounts.checked(
        settings().bank_payer_name, settings().bank_payer_iban, settings().bank_payer_bic
    )


def _claim(made: PayoutRun, file: BankFile) -> Sequence[Payout]:
    """Take every payout of the run that waits for a bank file; of two exports at once each takes its own."""
    mine = update(Payout).where(
        col(Payout.run_id) == made.id,
        col(Payout.provider) == "bank",
        col(Payout.state) == "reserved",
        col(Payout.currency) == file.currency,
    )
    run(mine.values(state="sending", reference=file.id).execution_options(synchronize_session=False))
    taken = select(Payout).where(Payout.run_id == made.id, Payout.reference == file.id)
    return session().exec(taken.order_by(col(Payout.id)).execution_options(populate_existing=True)).all()


def _credit(payout: Payout) -> Credit | None:
    """The payout as a transfer; None, and held, when its account is not the one that it was meant for."""
    account = (
        session()
        .exec(
            select(BankAccount)
            .join(Membership, col(Membership.person_id) == col(BankAccount.person_id))
            .where(Membership.id == payout.membership_id)
        )
        .first()
    )
    if account is None or account.destination != payout.destination:
        _hold(payout, "The bank account was changed after the run was made.")
        return None
    says = f"{get_programme(payout.programme_id).name} {payout.id}"
    return Credit(payout.id, bank_accounts.details_of(account), payout.amount, says)


def _hold(payout: Payout, why: str) -> None:
    payout.state, payout.reference, payout.reason = "held", "", why
    session().add(payout)
    session().flush()
    ask_to_look(payout, why)


def _without_refused(
    transfers: Sequence[Credit], written: Callable[[Sequence[Credit]], bytes]
) -> list[Credit]:
    """Those that a bank would take; one that it would refuse is held, and keeps nobody else from being paid."""
    if not transfers or not pain001.problems(written(transfers)):
        return list(transfers)
    taken = []
    for each in transfers:
        if wrong := pain001.problems(written([each])):
            why = f"The bank would refuse it: {wrong[0]}"
            _hold(session().get_one(Payout, each.reference), why)
        else:
            taken.append(each)
    return taken


def _table(transfers: Sequence[Credit]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["Reference", "Holder", "IBAN", "BIC", "Amount", "Currency", "Text"])
    for each in transfers:
        row = (each.reference, *each.to, str(each.money.major), each.money.currency, each.says)
        writer.writerow([harmless(cell) for cell in row])
    return ("\ufeff" + text.getvalue()).encode()


def mark_paid(file: BankFile, reference: str, *, by: Actor, only: str | None = None) -> int:
    """The bank has paid the file, or one of its payouts; answers how many that were not marked before.

    Raises ReferenceNeeded.
    """
    made = session().get_one(PayoutRun, file.run_id)
    authorize(by, RIGHT, made.unit_id)
    if not reference.strip():
        raise ReferenceNeeded
    wanted = select(Payout).where(Payout.reference == file.id, Payout.state == "sending")
    if only is not None:
        wanted = wanted.where(Payout.id == only)
    payouts = session().exec(wanted.order_by(col(Payout.membership_id))).all()
    marked = sum(_sent(each, f"{file.id} {reference.strip()[:200]}") for each in payouts)
    if marked:
        facts = {"payouts": marked, "reference": reference.strip()[:200]}
        audit.record(by, "bank_file.paid", "payout_run", made.id, unit_id=made.unit_id, details=facts)
    return marked


def _sent(payout: Payout, reference: str) -> bool:
    here = update(Payout).where(col(Payout.id) == payout.id, col(Payout.state) == "sending")
    gone = here.values(state="sent", sent_at=now(), reference=reference, reason="")
    if not update_one(gone.execution_options(synchronize_session=False)):
        return False
    session().refresh(payout)
    lines = update(Reward).where(col(Reward.payout_id) == payout.id, col(Reward.state) == "in_payout")
    run(lines.values(state="paid").execution_options(synchronize_session=False))
    move = Movement(ledger.reserved(payout.membership_id), ledger.BANK, payout.amount_minor, payout.currency)
    ledger.post(Entry(f"payout.sent:{payout.id}", "payout.sent", payout.id, (move,)))
    tell_sent(payout)
    events.publish(PayoutSent(payout.id))
    return True


def refused_by_bank(payout: Payout, reason: str, *, by: Actor) -> None:
    """The bank did not pay this one: its lines wait for the next run. Raises NotExported, ReferenceNeeded."""
    authorize(by, RIGHT, payout.unit_id)
    if not reason.strip():
        raise ReferenceNeeded("Please give the bank's reason.")
    here = update(Payout).where(
        col(Payout.id) == payout.id,
        col(Payout.provider) == "bank",
        col(Payout.state).in_(("sending", "held")),
    )
    back = here.values(state="taken_back", reason=reason.strip()[:500])
    if not update_one(back.execution_options(synchronize_session=False)):
        raise NotExported
    session().refresh(payout)
    give_back(payout)
    facts = {"reason": payout.reason}
    audit.record(by, "payout.refused_by_bank", "payout", payout.id, unit_id=payout.unit_id, details=facts)


def returned_by_bank(payout: Payout, reason: str, *, by: Actor) -> None:
    """The bank gave back what it had paid: finance decides whether it is paid again. Raises NotPaid, ReferenceNeeded."""
    authorize(by, RIGHT, payout.unit_id)
    if not reason.strip():
        raise ReferenceNeeded("Please give the bank's reason.")
    if payout.provider != "bank" or not came_back.returned(
        payout.id, f"The bank returned it: {reason.strip()}"
    ):
        raise NotPaid
    facts = {"reason": payout.reason}
    audit.record(by, "payout.returned_by_bank", "payout", payout.id, unit_id=payout.unit_id, details=facts)
