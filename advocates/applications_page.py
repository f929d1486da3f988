"""The console's list of applications: what its address asks for."""

from typing import Literal

from pydantic import Field
from sqlalchemy import func
from sqlmodel import col, select

from advocates.application_states import OPEN, Application, State
from core.access import Actor
from core.inputs import Input
from core.paging import Page, page_of
from hub.programmes import Programme


class ApplicationsQuery(Input):
    """Search, filters, sort, page; `open` are all that wait for an answer."""

    q: str = Field(default="", max_length=200)
    state: State | Literal["open"] | None = None
    programme: str = Field(default="", max_length=200)
    sort: Literal["submitted", "-submitted", "due", "-due"] = "-submitted"
    after: str | None = Field(default=None, max_length=1_000)


def applications_of(actor: Actor, query: ApplicationsQuery) -> Page[Application]:
    """A page of the applications that the actor sees."""
    wanted = select(Application).where(col(Application.unit_id).in_(actor.units_for("application.see")))
    if query.q:
        words = query.q.lower()
        named = func.lower(Application.name).contains(words, autoescape=True)
        wanted = wanted.where(named | col(Application.email).contains(words, autoescape=True))
    if query.state == "open":
        wanted = wanted.where(col(Application.state).in_(OPEN))
    elif query.state is not None:
        wanted = wanted.where(Application.state == query.state)
    if query.programme:
        programme = select(Programme.id).where(Programme.slug == query.programme)
        wanted = wanted.where(col(Application.programme_id).in_(programme))
    by_date = (
        (col(Application.submitted_at), "submitted_at")
        if query.sort.endswith("submitted")
        else (col(Application.decide_by), "decide_by")
    )
    order = (by_date, (col(Application.id), "id"))
    return page_of(wanted, *order, after=query.after, descending=query.sort.startswith("-"))
