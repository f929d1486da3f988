"""What machines are told of applications: where they stand, nothing of what people wrote about themselves."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel
from sqlmodel import col, select

from advocates.application_states import Application
from core.db import session
from hub.programmes import Programme
from hub.units import all_units


class ShownApplication(BaseModel):
    """An application, without name, address or words of the applicant."""

    id: str
    programme: str
    unit: str
    state: str
    submitted_at: datetime
    decide_by: datetime
    advocate_id: str | None
    """the membership that came of it, as in /api/v1/advocates"""


def show_applications(ids: Sequence[str], units: frozenset[str]) -> dict[str, ShownApplication]:
    """Application → what is told of it, as far as it is one of these units'."""
    wanted = select(Application).where(col(Application.id).in_(ids), col(Application.unit_id).in_(units))
    found = session().exec(wanted).all()
    names = {each.id: each.slug for each in all_units()}
    programmes = select(Programme).where(col(Programme.id).in_({each.programme_id for each in found}))
    slugs = {each.id: each.slug for each in session().exec(programmes)}
    same = {"id", "state", "submitted_at", "decide_by"}
    return {
        each.id: ShownApplication(
            programme=slugs[each.programme_id],
            unit=names[each.unit_id],
            advocate_id=each.membership_id,
            **each.model_dump(include=same),
        )
        for each in found
    }
