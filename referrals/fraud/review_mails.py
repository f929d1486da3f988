"""What an advocate hears of a review, by mail: that it found something, and that this was a mistake."""

from advocates.membership import get_membership
from core import mail
from core.db import session
from core.people import get_person
from hub.programmes import get_programme
from referrals.conversions.conversion_rows import Conversion
from referrals.fraud.fraud_cases import get_case


def send_confirmed(case_id: str) -> None:
    """The conversion does not count any more, with the words of whoever decided; they can appeal."""
    _send(case_id, counts=False)


def send_overturned(case_id: str) -> None:
    """It counts again."""
    _send(case_id, counts=True)


def _send(case_id: str, *, counts: bool) -> None:
    case = get_case(case_id)
    member = get_membership(case.membership_id)
    person = get_person(member.person_id)
    step = f"{'counts' if counts else 'confirmed'} {case.decided_at:%Y-%m-%dT%H:%M:%S.%f}"
    mail.leave(
        "review_decided",
        case.id,
        step,
        to=person.email,
        name=person.name,
        programme=get_programme(member.programme_id).name,
        counts=counts,
        order=session().get_one(Conversion, case.conversion_id).external_id,
        reason=case.reason,
        address=f"/portal/conversions/{case.conversion_id}",
    )
