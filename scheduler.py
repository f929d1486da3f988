"""The clock: a process of its own. SCHEDULE lists every job, one line each; a job looks at the table now."""

import logging
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event
from types import FrameType

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

import announcements
import checks
import reactions
from advocates import tiers
from core import db, jobs, mail, throttle
from core.db import transaction
from core.garbage import settle
from core.jobs import Job, UnknownJob, run_once
from core.logs import begin_logging
from core.settings import configure
from core.statistics import keep_statistics
from curriculum import certificate_pdf, expiry_warnings, handing_in
from hub import deliveries, endpoints, webhook_sender
from referrals.clicks import clicks, forgetting, visitor
from referrals.conversions import imports, looking_again, refunds
from referrals.fraud import fraud_traces, fraud_work
from rewards import grants, late_grants, sealed_rows
from rewards.approvals import reviews
from rewards.payouts import in_kind, landings, payout_sender, payouts, reconciliation
from rewards.statements import statement_documents
from rewards.stripe import missed_events, stripe_events

log = structlog.get_logger()
THREADS = 8
NICE = 5
"""visitors and pages come first where the processor is short: the clock's work can wait a moment, theirs cannot"""
PROMPT = frozenset({"heartbeat", "ingest-clicks"})
"""jobs with threads of their own: they run on time while all the others wait for somebody outside"""


def _in_one_transaction(work: Callable[[], int]) -> Callable[[], int]:
    def step() -> int:
        with transaction():
            return work()

    return step


SCHEDULE: tuple[Job, ...] = (
    Job("heartbeat", 5, lambda: 1, "says that the clock is alive"),
    Job("ingest-clicks", 1, clicks.ingest, "moves clicks from the journal into the database"),
    Job("send-mail", 2, mail.send_due, "sends the mails that are due"),
    Job("send-webhooks", 2, webhook_sender.send_due, "sends the webhooks that are due"),
    Job(
        "render-certificates",
        3,
        certificate_pdf.render_certificates,
        "makes the certificates that are wanted",
    ),
    Job("close-attempts", 30, handing_in.close_overdue, "hands in quizzes whose time is over"),
    Job(
        "warn-of-expiry", 3600, expiry_warnings.warn_of_expiry, "writes to those whose certificate ends soon"
    ),
    Job(
        "open-rewards",
        10,
        grants.open_after_hold,
        "puts rewards whose hold has passed on the approvers' list",
    ),
    Job("grant-late", 20, late_grants.grant_waiting, "grants rewards whose exchange rate is there by now"),
    Job("close-periods", 20, payouts.prepare, "makes the payout run of every period that has closed"),
    Job(
        "close-months",
        10,
        statement_documents.close_months,
        "tells of the statements of months that have ended",
    ),
    Job("print-statements", 2, statement_documents.print_statements, "prints the statements that are wanted"),
    Job("send-payouts", 5, payout_sender.send_due, "sends what is reserved, settles what is unclear"),
    Job("give-in-kind", 10, in_kind.give_due, "orders the perks of payouts that are given in them"),
    Job("reconcile", 5, reconciliation.reconcile, "compares what was paid with Stripe's list, every night"),
    Job("apply-stripe-events", 0.25, stripe_events.apply_events, "applies what Stripe told us"),
    Job(
        "look-for-landings",
        landings.EVERY_S,
        landings.catch_up,
        "asks Stripe what reached the advocates' banks",
    ),
    Job("fetch-missed-events", 3600, missed_events.fetch_missed, "fetches what Stripe told us in vain"),
    Job("prove", 600, checks.prove, "proves the books, once a day"),
    Job("assess-conversions", 2, fraud_work.assess_due, "looks at what arrived for signs of fraud"),
    Job(
        "take-late-clicks",
        60,
        fraud_work.take_late_clicks,
        "looks again where a click came in after its order",
    ),
    Job("look-again", 10, reviews.reassess, "has unpaid conversions assessed again after late signals"),
    Job(
        "forget-traces",
        3600,
        _in_one_transaction(fraud_traces.forget_traces),
        "deletes the traces of cards and devices",
    ),
    Job(
        "apply-parked-refunds",
        30,
        refunds.apply_parked_refunds,
        "applies refunds that met their sale too early",
    ),
    Job(
        "look-for-codes",
        20,
        looking_again.look_again,
        "looks again for codes and coupons that nobody knew yet",
    ),
    Job(
        "forget-salts",
        3600,
        _in_one_transaction(visitor.forget_salts),
        "destroys the salts of visitor hashes",
    ),
    Job(
        "forget-clicks",
        3600,
        forgetting.forget_clicks,
        "deletes clicks that no sale can be by any more",
    ),
    Job(
        "tell-expired",
        3600,
        _in_one_transaction(announcements.tell_expired),
        "tells webhooks of certifications that have ended",
    ),
    Job(
        "reseal-secrets",
        3600,
        _in_one_transaction(endpoints.reseal),
        "puts stored secrets under the newest key",
    ),
    Job(
        "reseal-papers",
        3600,
        _in_one_transaction(sealed_rows.reseal),
        "puts bank accounts, tax forms and invoices under the newest key",
    ),
    Job("settle-tiers", 600, tiers.settle, "gives everybody the tier that the scoreboard says"),
    Job("keep-statistics", 600, keep_statistics, "has the database look at how its tables have grown"),
    Job("forget-deliveries", 3600, deliveries.forget_old, "deletes old deliveries of webhooks"),
    Job(
        "import-conversions", 1, imports.work, "tries and records the files of conversions that were brought"
    ),
    Job("forget-tries", 3600, _in_one_transaction(throttle.forget_old), "deletes old counts of tries"),
)


def find_job(name: str) -> Job:
    """The job of this name; raises UnknownJob."""
    for job in SCHEDULE:
        if job.name == name:
            return job
    raise UnknownJob


def _quietly(job: Job) -> None:
    """Run a job; what it raises is on record, and the next run is a new try."""
    try:
        run_once(job)
    except jobs.RETRIED as error:
        log.warning("job failed", job=job.name, why=f"{type(error).__name__}: {error}"[:500])


def start() -> BackgroundScheduler:
    """A running scheduler over SCHEDULE; late runs are made up once, never two of a job at a time."""
    scheduler = BackgroundScheduler(
        executors={
            "default": ThreadPoolExecutor(THREADS),
            "prompt": ThreadPoolExecutor(len(PROMPT)),
        },
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        timezone="UTC",
    )
    logging.getLogger("apscheduler").setLevel(
        logging.ERROR
    )  # a job that is still busy is skipped: that is meant
    for job in SCHEDULE:
        first = datetime.now(UTC)  # at once: nobody waits an hour after a restart
        scheduler.add_job(
            _quietly,
            "interval",
            [job],
            seconds=job.every_s,
            id=job.name,
            next_run_time=first,
            executor="prompt" if job.name in PROMPT else "default",
        )
    scheduler.start()
    return scheduler


def main() -> None:
    """Run until somebody says stop."""
    os.nice(NICE)
    settings = configure()
    begin_logging(settings)
    db.connect(settings.database)
    reactions.wire()
    settle()
    stop = Event()

    def stopping(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, stopping)
    signal.signal(signal.SIGINT, stopping)
    scheduler = start()
    log.info("the clock runs", jobs=len(SCHEDULE))
    stop.wait()
    scheduler.shutdown(wait=True)


if __name__ == "__main__":
    main()
