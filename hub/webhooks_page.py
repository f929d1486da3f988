"""Doors for staff: webhook endpoints, what they were sent, and sending it again."""

from datetime import datetime, timedelta
from typing import Literal

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from pydantic import Field, field_validator
from sqlmodel import col, select

from core.access import Actor, authorize
from core.clock import now
from core.inputs import Input, Line
from core.outbox import OutboxMessage
from core.outbox import State as DeliveryState
from core.paging import page_of
from hub import deliveries, endpoints, units
from hub.deliveries import attempts_of, get_delivery
from hub.endpoints import EVERYTHING, WEBHOOK, WebhookEndpoint, get_endpoint
from hub.webhook_alarm import MANAGE
from web.forms import Form, read_form, read_query
from web.signing_in import staff
from webhook_types import TYPES

door = Blueprint("hub_webhooks", __name__)

HERE = "/console/settings/webhooks"
NAMES = [each.name for each in TYPES if each.show is not None]
FAMILIES = sorted({name.partition(".")[0] for name in NAMES})
CHOICES = frozenset({EVERYTHING, *NAMES, *(f"{family}.*" for family in FAMILIES)})


@door.get(HERE)
def webhooks() -> str:
    """The endpoints of the actor's units."""
    actor = staff(MANAGE)
    return render_template(
        "console/hub/webhooks.html",
        endpoints=endpoints.endpoints_in(actor.units_for(MANAGE)),
        names={unit.id: unit.name for unit in units.all_units()},
    )


class EndpointChange(Input):
    """What of an endpoint can be changed."""

    url: str = Field(min_length=1, max_length=2_000)
    description: str = Field(default="", max_length=200)
    types: list[str] = Field(min_length=1, max_length=len(CHOICES))

    @field_validator("types")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        if not set(value) <= CHOICES:
            raise ValueError("pick some of these")
        return value


class NewEndpoint(EndpointChange):
    """An endpoint to add."""

    unit_id: Line


@door.get(f"{HERE}/new")
def new_endpoint() -> str:
    """The form for an endpoint."""
    actor = staff(MANAGE)
    reached = actor.units_for(MANAGE)
    return render_template(
        "console/hub/webhook_new.html",
        units=[unit for unit in units.all_units() if unit.id in reached],
        types=TYPES,
        families=FAMILIES,
        form=Form({"types": [EVERYTHING]}),
    )


@door.post(f"{HERE}/new")
def add_endpoint() -> str:
    """Add it; the page that answers is the only one that shows its secret."""
    actor = staff(MANAGE)
    wanted = read_form(NewEndpoint)
    authorize(actor, MANAGE, wanted.unit_id)
    endpoint, secret = endpoints.create(
        wanted.unit_id, wanted.url, wanted.types, by=actor, description=wanted.description
    )
    return _secret_page(endpoint, secret)


def _secret_page(endpoint: WebhookEndpoint, secret: str) -> str:
    return render_template("console/hub/webhook_secret.html", endpoint=endpoint, secret=secret)


def _mine(endpoint_id: str) -> tuple[WebhookEndpoint, Actor]:
    """The endpoint, for somebody who manages its unit's; raises NotFound, Forbidden."""
    actor = staff(MANAGE)
    endpoint = get_endpoint(endpoint_id)
    authorize(actor, MANAGE, endpoint.unit_id)
    return endpoint, actor


def _back(endpoint_id: str, said: str, kind: str = "good") -> ResponseReturnValue:
    flash(said, kind)
    return redirect(f"{HERE}/{endpoint_id}", 303)


class DeliveryQuery(Input):
    """Which deliveries to show."""

    state: DeliveryState | None = None
    after: str | None = Field(default=None, max_length=1_000)


@door.get(f"{HERE}/<id:endpoint_id>")
def endpoint_page(endpoint_id: str) -> str:
    """One endpoint: how it is, and its latest deliveries."""
    endpoint, _actor = _mine(endpoint_id)
    query = read_query(DeliveryQuery)
    wanted = select(OutboxMessage).where(
        OutboxMessage.kind == WEBHOOK, OutboxMessage.recipient == endpoint.id
    )
    if query.state is not None:
        wanted = wanted.where(OutboxMessage.state == query.state)
    page = page_of(wanted, (col(OutboxMessage.id), "id"), after=query.after)
    tried = attempts_of([each.id for each in page.items])
    return render_template(
        "console/hub/webhook.html",
        endpoint=endpoint,
        unit=units.get_unit(endpoint.unit_id),
        page=page,
        query=query,
        last={id_: found[0] for id_, found in tried.items() if found},
        days=AGAIN_DAYS,
    )


@door.get(f"{HERE}/<id:endpoint_id>/edit")
def edit_form(endpoint_id: str) -> str:
    """The form that changes an endpoint."""
    endpoint, _actor = _mine(endpoint_id)
    return render_template(
        "console/hub/webhook_edit.html",
        endpoint=endpoint,
        types=TYPES,
        families=FAMILIES,
        form=Form(endpoint.model_dump(include={"url", "description", "types"})),
    )


@door.post(f"{HERE}/<id:endpoint_id>/edit")
def edit(endpoint_id: str) -> ResponseReturnValue:
    """Change it."""
    endpoint, actor = _mine(endpoint_id)
    wanted = read_form(EndpointChange)
    endpoints.change(endpoint, wanted.url, wanted.types, by=actor, description=wanted.description)
    return _back(endpoint_id, _("Saved."))


@door.post(f"{HERE}/<id:endpoint_id>/rotate")
def rotate(endpoint_id: str) -> str:
    """A new secret, shown once."""
    endpoint, actor = _mine(endpoint_id)
    return _secret_page(endpoint, endpoints.rotate(endpoint, by=actor))


@door.post(f"{HERE}/<id:endpoint_id>/end-old-secret")
def end_old_secret(endpoint_id: str) -> ResponseReturnValue:
    """The secret before signs no more."""
    endpoint, actor = _mine(endpoint_id)
    endpoints.end_overlap(endpoint, by=actor)
    return _back(endpoint_id, _("The old secret signs no more."))


@door.post(f"{HERE}/<id:endpoint_id>/ping")
def ping(endpoint_id: str) -> ResponseReturnValue:
    """Send hello."""
    endpoint, actor = _mine(endpoint_id)
    deliveries.ping(endpoint, by=actor)
    return _back(endpoint_id, _("A test message is on its way; look again in a few seconds."))


@door.post(f"{HERE}/<id:endpoint_id>/enable")
def enable(endpoint_id: str) -> ResponseReturnValue:
    """Switch it on."""
    endpoint, actor = _mine(endpoint_id)
    endpoints.enable(endpoint, by=actor)
    return _back(endpoint_id, _("It is switched on. What was given up meanwhile can be sent again below."))


class Reason(Input):
    """Why it is switched off."""

    reason: Line


@door.post(f"{HERE}/<id:endpoint_id>/disable")
def disable(endpoint_id: str) -> ResponseReturnValue:
    """Switch it off."""
    endpoint, actor = _mine(endpoint_id)
    endpoints.disable(endpoint, read_form(Reason).reason, by=actor)
    return _back(endpoint_id, _("It is switched off."))


@door.post(f"{HERE}/<id:endpoint_id>/remove")
def remove(endpoint_id: str) -> ResponseReturnValue:
    """Take it off the list for good."""
    endpoint, actor = _mine(endpoint_id)
    endpoints.remove(endpoint, by=actor)
    flash(_("The endpoint is removed."), "good")
    return redirect(HERE, 303)


AGAIN_DAYS = (1, 3, 7, 30)


class Again(Input):
    """Since how many days what failed is sent again."""

    days: Literal["1", "3", "7", "30"]

    @property
    def since(self) -> datetime:
        """The moment."""
        return now() - timedelta(days=int(self.days))


@door.post(f"{HERE}/<id:endpoint_id>/again")
def send_failed_again(endpoint_id: str) -> ResponseReturnValue:
    """Send what was given up again."""
    endpoint, actor = _mine(endpoint_id)
    count = deliveries.send_failed_again(endpoint, read_form(Again).since, by=actor)
    said = ngettext("One message is in line again.", "%(num)s messages are in line again.", count)
    return _back(endpoint_id, said, "good" if count else "wait")


@door.get(f"{HERE}/<id:endpoint_id>/deliveries/<id:message_id>")
def delivery_page(endpoint_id: str, message_id: str) -> str:
    """One message: what it says, and every try."""
    endpoint, _actor = _mine(endpoint_id)
    message = get_delivery(endpoint, message_id)
    return render_template(
        "console/hub/delivery.html",
        endpoint=endpoint,
        message=message,
        attempts=attempts_of([message.id])[message.id],
    )


@door.post(f"{HERE}/<id:endpoint_id>/deliveries/<id:message_id>/again")
def send_again(endpoint_id: str, message_id: str) -> ResponseReturnValue:
    """Send it again, under its id."""
    endpoint, actor = _mine(endpoint_id)
    deliveries.send_again(endpoint, get_delivery(endpoint, message_id), by=actor)
    flash(_("It is in line; look again in a few seconds."), "good")
    return redirect(f"{HERE}/{endpoint_id}/deliveries/{message_id}", 303)
