"""Doors for operators: is the process up, is the service ready, figures for Prometheus."""

from datetime import timedelta
from hmac import compare_digest

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from sqlalchemy import func, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select

from core.clock import now
from core.db import session, transaction
from core.jobs import JobTrace
from core.outbox import OutboxMessage
from core.settings import settings
from referrals.clicks.clicks import folder, journal_lag
from referrals.clicks.lost_clicks import losses
from web.requests import transacts_itself

door = Blueprint("core_operators", __name__)

HEARTBEAT = "heartbeat"
HEARTBEAT_LATE = timedelta(seconds=45)
LOSING = timedelta(seconds=30)
JOURNAL_LATE_BYTES = 16 * 1024 * 1024


@door.get("/healthz")
@transacts_itself
def healthz() -> ResponseReturnValue:
    """The process answers."""
    return jsonify(status="up")


@door.get("/readyz")
@transacts_itself
def readyz() -> ResponseReturnValue:
    """Database reachable, clock beating, journal not piling up nor losing clicks: 200, else 503 with what is wrong."""
    checks, lost = _checks()
    ready = all(each == "ok" for each in checks.values())
    status = "ready" if ready else "not ready"
    return jsonify(status=status, checks=checks, lost_clicks=lost), 200 if ready else 503


def _checks() -> tuple[dict[str, str], int | None]:
    """What is well and what is not, and how many clicks were ever lost (None while the database cannot be asked)."""
    try:
        with transaction(read_only=True):
            session().execute(text("SELECT 1"))
            beat = session().get(JobTrace, HEARTBEAT)
            lag, lost = journal_lag(), losses(folder())
    except SQLAlchemyError as error:
        return {"database": type(error).__name__}, None
    alive = beat is not None and beat.ran_at > now() - HEARTBEAT_LATE
    checks = {
        "database": "ok",
        "clock": "ok" if alive else "no heartbeat for 45 s",
        "journal": "ok" if lag < JOURNAL_LATE_BYTES else f"{lag} bytes wait",
    }
    if lost and lost[0].last_at > now() - LOSING:
        checks["journal"] = "clicks are forwarded without getting on file: is the disk full?"
    return checks, sum(each.clicks for each in lost)


@door.get("/metrics")
def metrics() -> Response:
    """Prometheus' figures, read from the database at each scrape, so they are right with any number of workers.

    With METRICS_TOKEN set only whoever brings it as a bearer token is told them.
    """
    token = settings().metrics_token
    brought = request.headers.get("Authorization", "")
    if token and not compare_digest(brought.encode(), f"Bearer {token}".encode()):
        said = "These figures are for whoever brings METRICS_TOKEN as a bearer token.\n"
        return Response(said, 401, {"WWW-Authenticate": "Bearer"}, content_type="text/plain; charset=utf-8")
    registry = CollectorRegistry()
    waiting = Gauge("spokes_outbox_messages", "Messages in the outbox", ["state"], registry=registry)
    for state, count in session().exec(
        select(col(OutboxMessage.state), func.count()).group_by(col(OutboxMessage.state))
    ):
        waiting.labels(state).set(count)
    late = Gauge("spokes_job_age_seconds", "Seconds since a job last ran", ["job"], registry=registry)
    for trace in session().exec(select(JobTrace)):
        late.labels(trace.name).set((now() - trace.ran_at).total_seconds())
    waiting_clicks = Gauge(
        "spokes_journal_bytes", "Bytes of clicks not in the database yet", registry=registry
    )
    waiting_clicks.set(journal_lag())
    lost_clicks = Gauge(
        "spokes_clicks_lost", "Clicks that were forwarded without getting on file", registry=registry
    )
    lost_clicks.set(sum(each.clicks for each in losses(folder())))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
