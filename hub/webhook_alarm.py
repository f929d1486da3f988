"""When an endpoint is switched off by the clock, people hear of it: on their list, and by mail."""

from core import mail
from core.access import Actor
from core.clock import now
from hub import actions
from hub.endpoints import LOOK, WebhookEndpoint, disable
from hub.roles import holders

MANAGE = "webhook.manage"
LOOK_WITHIN_DAYS = 2
MOST_MAILS = 10


def switch_off(endpoint: WebhookEndpoint, reason: str, *, by: Actor) -> None:
    """Disable an endpoint and tell whoever may mend it."""
    disable(endpoint, reason, by=by)
    summary = f"Webhooks to {endpoint.url} were switched off: {reason}"[:500]
    due = actions.due_in(LOOK_WITHIN_DAYS)
    actions.ask(LOOK, endpoint.id, endpoint.unit_id, right=MANAGE, summary=summary, due_at=due)
    for person in holders(MANAGE, endpoint.unit_id)[:MOST_MAILS]:
        mail.leave(
            "webhook_disabled",
            endpoint.id,
            f"{now().isoformat()}:{person.id}",
            to=person.email,
            name=person.name,
            url=endpoint.url,
            reason=reason,
            page=f"/console/settings/webhooks/{endpoint.id}",
        )
