"""Webhook endpoints: where a unit wants to be told what happens in it and below, of which types, signed with what."""

import base64
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal, get_args

from sqlalchemy import JSON, Text, func, update
from sqlmodel import Field, SQLModel, col, select
from standardwebhooks import Webhook

from core import audit
from core.access import Actor
from core.addresses import goal_of
from core.clock import now, outside
from core.columns import key, moment, one_of, word
from core.db import run, session, update_one
from core.errors import Conflict, NotFound
from core.outbox import OutboxMessage
from core.sealed import CannotOpen, resealed, seal, unseal
from hub import actions

State = Literal["enabled", "disabled"]
WEBHOOK = "webhook"
LOOK = "webhook.look"
EVERYTHING = "*"
SECRET_BYTES = 32
OVERLAP = timedelta(hours=24)
MOST_PER_UNIT = 20


class WebhookEndpoint(SQLModel, table=True):
    """An address that is told what happens in a unit and below."""

    __tablename__ = "webhook_endpoint"
    __table_args__ = (one_of("state", get_args(State)),)

    id: str = key()
    unit_id: str = Field(foreign_key="unit.id", index=True, sa_type=Text)
    url: str = Field(sa_type=Text)
    description: str = Field(default="", sa_type=Text)
    types: list[str] = Field(sa_type=JSON)
    """names of messages, families of them (`conversion.*`), or `*`"""
    secret: str = Field(sa_type=Text)
    """sealed; shown once, when it is made"""
    old_secret: str | None = Field(default=None, sa_type=Text)
    """sealed; the one before, which signs too until `old_secret_until`"""
    old_secret_until: datetime | None = moment(optional=True)
    state: State = word("enabled")
    state_reason: str = Field(default="", sa_type=Text)
    """why it is switched off"""
    failures: int = 0
    """tries without success since the last one with"""
    failing_since: datetime | None = moment(optional=True)
    created_at: datetime = moment(now)
    removed_at: datetime | None = moment(optional=True)

    @property
    def overlaps(self) -> bool:
        """Whether the secret before still signs, too."""
        return self.old_secret_until is not None and self.old_secret_until > now()


class EndpointNotFound(NotFound):
    """There is no such endpoint."""


class TooManyEndpoints(Conflict):
    """A unit has at most 20 endpoints. Remove one that is not needed any more."""


class StillOverlaps(Conflict):
    """The secret was changed less than 24 hours ago and both still sign. End the old one first, or wait."""


class SecretChanged(Conflict):
    """Somebody changed the secret at this very moment. Please look again: theirs was shown to them."""


def wants(types: Iterable[str], name: str) -> bool:
    """Whether somebody who asked for these types wants messages of this name."""
    return bool({EVERYTHING, name, f"{name.partition('.')[0]}.*"} & set(types))


def create(
    unit_id: str, url: str, types: list[str], *, by: Actor, description: str = ""
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint and its secret, which is never shown again; raises WrongAddress, TooManyEndpoints."""
    goal_of(url)
    held = select(func.count()).where(
        col(WebhookEndpoint.unit_id) == unit_id, col(WebhookEndpoint.removed_at).is_(None)
    )
    if session().exec(held).one() >= MOST_PER_UNIT:
        raise TooManyEndpoints
    secret = new_secret()
    endpoint = WebhookEndpoint(
        unit_id=unit_id, url=url, description=description, types=sorted(set(types)), secret=seal(secret)
    )
    session().add(endpoint)
    session().flush()
    note(endpoint, "created", by, url=url, types=endpoint.types)
    return endpoint, secret


def change(endpoint: WebhookEndpoint, url: str, types: list[str], *, by: Actor, description: str) -> None:
    """Another address, other types; raises WrongAddress. Before and after go to the audit log."""
    goal_of(url)
    before = endpoint.model_dump(include={"url", "types", "description"})
    endpoint.url, endpoint.types, endpoint.description = url, sorted(set(types)), description
    _keep(endpoint)
    after = endpoint.model_dump(include=set(before))
    note(
        endpoint,
        "changed",
        by,
        **{name: [before[name], value] for name, value in after.items() if before[name] != value},
    )


def rotate(endpoint: WebhookEndpoint, *, by: Actor) -> str:
    """A new secret; for 24 hours the one before signs, too. Raises StillOverlaps, SecretChanged."""
    if endpoint.overlaps:
        raise StillOverlaps
    secret = new_secret()
    seen = update(WebhookEndpoint).where(
        col(WebhookEndpoint.id) == endpoint.id, col(WebhookEndpoint.secret) == endpoint.secret
    )
    newer = {"old_secret": endpoint.secret, "old_secret_until": now() + OVERLAP, "secret": seal(secret)}
    if not update_one(seen.values(newer).execution_options(synchronize_session=False)):
        raise SecretChanged
    session().refresh(endpoint)
    note(endpoint, "secret_rotated", by)
    return secret


def end_overlap(endpoint: WebhookEndpoint, *, by: Actor) -> None:
    """Let the secret before sign no more, at once (it leaked, or everybody has the new one)."""
    endpoint.old_secret = endpoint.old_secret_until = None
    _keep(endpoint)
    note(endpoint, "old_secret_ended", by)


def new_secret() -> str:
    """A secret as Standard Webhooks writes them: whsec_ and 256 random bits."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed(endpoint: WebhookEndpoint, message_id: str, body: str) -> dict[str, str]:
    """The three headers of Standard Webhooks, as of now; during a rotation with both signatures. Raises CannotOpen."""
    at = outside()
    in_force = [endpoint.secret] + (
        [endpoint.old_secret] if endpoint.overlaps and endpoint.old_secret else []
    )
    signatures = [Webhook(unseal(each)).sign(message_id, at, body) for each in in_force]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def enable(endpoint: WebhookEndpoint, *, by: Actor) -> None:
    """Send to it again from now on; what waited when it was switched off can be sent again by hand."""
    endpoint.state, endpoint.state_reason = "enabled", ""
    endpoint.failures, endpoint.failing_since = 0, None
    _keep(endpoint)
    actions.done(LOOK, endpoint.id, by=by)
    note(endpoint, "enabled", by)


def disable(endpoint: WebhookEndpoint, reason: str, *, by: Actor) -> None:
    """Send nothing to it any more; what waits is given up, to be seen and sent again by hand."""
    endpoint.state, endpoint.state_reason = "disabled", reason
    _keep(endpoint)
    give_up(endpoint.id)
    note(endpoint, "disabled", by, reason=reason)


def remove(endpoint: WebhookEndpoint, *, by: Actor) -> None:
    """Take it off every list; its secret is forgotten, its deliveries age away."""
    endpoint.removed_at = now()
    endpoint.secret, endpoint.old_secret, endpoint.old_secret_until = seal(new_secret()), None, None
    disable(endpoint, "It was removed.", by=by)
    actions.done(LOOK, endpoint.id, by=by)


def give_up(endpoint_id: str) -> int:
    """What waits for an endpoint that is switched off waits no longer, unless it is on again; answers how much that was."""
    on = select(WebhookEndpoint.id).where(
        WebhookEndpoint.id == endpoint_id, WebhookEndpoint.state == "enabled"
    )
    waiting = update(OutboxMessage).where(
        col(OutboxMessage.kind) == WEBHOOK,
        col(OutboxMessage.recipient) == endpoint_id,
        col(OutboxMessage.state) == "waiting",
        ~on.exists(),
    )
    return run(waiting.values(state="dead", last_error="The endpoint was switched off."))


def get_endpoint(endpoint_id: str) -> WebhookEndpoint:
    """The endpoint with this id; raises EndpointNotFound, also for one that was removed."""
    endpoint = session().get(WebhookEndpoint, endpoint_id)
    if endpoint is None or endpoint.removed_at is not None:
        raise EndpointNotFound
    return endpoint


def endpoints_in(unit_ids: frozenset[str]) -> list[WebhookEndpoint]:
    """The endpoints of these units, the oldest first."""
    wanted = select(WebhookEndpoint).where(
        col(WebhookEndpoint.unit_id).in_(unit_ids), col(WebhookEndpoint.removed_at).is_(None)
    )
    return list(session().exec(wanted.order_by(col(WebhookEndpoint.id))).all())


def reseal() -> int:
    """Job: put every secret under the newest key; answers how many were under an older one. Raises CannotOpen."""
    changed = 0
    held = select(WebhookEndpoint).order_by(col(WebhookEndpoint.id)).with_for_update()
    for endpoint in session().exec(held):  # somebody may be making a new one at this moment
        newer = resealed(endpoint.secret)
        old_newer = resealed(endpoint.old_secret) if endpoint.old_secret else None
        endpoint.secret, endpoint.old_secret = newer or endpoint.secret, old_newer or endpoint.old_secret
        session().add(endpoint)
        changed += bool(newer or old_newer)
    return changed


def unopenable() -> list[str]:
    """Check: every endpoint whose secret no key opens, as a sentence."""
    wrong = []
    for endpoint in session().exec(select(WebhookEndpoint)):
        try:
            unseal(endpoint.secret)
        except CannotOpen:
            wrong.append(f"the secret of webhook endpoint {endpoint.id} cannot be opened by any key")
    return wrong


def note(endpoint: WebhookEndpoint, act: str, by: Actor, **details: object) -> None:
    """Put an act on the audit log."""
    audit.record(by, f"webhook.{act}", WEBHOOK, endpoint.id, unit_id=endpoint.unit_id, details=details)


def _keep(endpoint: WebhookEndpoint) -> None:
    session().add(endpoint)
    session().flush()
