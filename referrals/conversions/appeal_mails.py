"""What an advocate hears of an appeal, by mail: that it is decided, how, and why."""

from advocates.membership import get_membership
from core import mail
from core.people import get_person
from hub.programmes import get_programme


def send_decided(
    appeal_id: str, membership_id: str, conversion_id: str, *, granted: bool, reason: str
) -> None:
    """The answer to an appeal, with the words of whoever decided."""
    member = get_membership(membership_id)
    person = get_person(member.person_id)
    mail.leave(
        "appeal_decided",
        appeal_id,
        "decided",
        to=person.email,
        name=person.name,
        programme=get_programme(member.programme_id).name,
        granted=granted,
        reason=reason,
        address=f"/portal/conversions/{conversion_id}",
    )
