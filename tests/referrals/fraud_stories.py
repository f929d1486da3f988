"""What the tests of fraud need: conversions with signs, assessed."""

from sqlmodel import select

from core.access import COMMAND
from core.db import session, transaction
from core.people import Person
from hub.units import Unit
from referrals.conversions.conversions import Conversion
from referrals.fraud import fraud_work
from referrals.fraud.fraud_addresses import digest
from referrals.fraud.fraud_cases import FraudCase, find_case
from tests.referrals.stories import bring


def told(unit: Unit, **changes: object) -> str:
    """An order told and assessed by the clock; opens its own transactions; the answer is its id."""
    with transaction():
        order = bring(unit.id, COMMAND, **{"code": "ana", **changes})
    fraud_work.assess_due()
    return order.id


def odd(unit: Unit, colleague: Person, **changes: object) -> str:
    """An order that a colleague placed: enough for a review."""
    customer = {"email_sha256": digest(colleague.email), "external_id": "c-9"}
    return told(unit, customer=customer, **changes)


def case_of(conversion_id: str) -> FraudCase:
    """The case of a conversion with whoever has it, or had it."""
    with transaction(read_only=True):
        found = session().exec(select(FraudCase).where(FraudCase.conversion_id == conversion_id)).first()
        assert found is not None, "there is no case"
        return found


def signals_of(conversion_id: str) -> set[str]:
    """The signals that spoke about a conversion; opens its own transaction."""
    with transaction(read_only=True):
        order = session().get_one(Conversion, conversion_id)
        case = find_case(order.id, order.membership_id or "")
        return {each["signal"] for each in case.signals} if case else set()
