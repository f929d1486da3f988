"""The commands behind bin/spokes."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click
import requests
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

import reactions
from advocates.leaderboard import Wanted, standings, the_currency
from advocates.leaderboard_files import FORMATS, file_of
from core import audit, backup, clock, db, invitations, jobs
from core.access import COMMAND
from core.api_keys import SCOPES, create_api_key
from core.db import take_your_time, transaction
from core.errors import SpokesError
from core.inputs import Email
from core.logs import begin_logging
from core.people import find_person, register
from core.settings import CLOCK_FILE, SettingsRefused, configure, settings
from curriculum import imports
from curriculum.folder import BUILT_IN
from curriculum.releases import Kind
from hub.metrics import FAMILIES
from hub.roles import ROLES, give_role
from hub.units import UnitNotFound, create_unit, find_hub, find_unit, reach
from migrations.run import upgrade
from migrations.tables import every_table


@click.group()
def spokes() -> None:
    """Spokes: the advocate programme service."""


def _database_trouble(error: DBAPIError) -> str:
    """What is wrong with the database, as a sentence."""
    where = make_url(settings().database).render_as_string(hide_password=True)
    if re.search(r"no such (table|column)|(relation|column) .* does not exist", str(error.orig)):
        return f"There is no Spokes in {where} yet, or an older one: run bin/spokes init-db."
    return f"The database {where} does not answer: {error.orig}"


@contextmanager
def service() -> Iterator[None]:
    """Settings, logs, database and reactions, as every command needs them; refusals become a sentence and exit 1."""
    os.umask(0o077)  # what we write (database, mails with links) is nobody else's
    try:
        begin_logging(configure())
        settings().data_dir.mkdir(parents=True, exist_ok=True)
        db.connect(settings().database)
        every_table()
        reactions.wire()
        yield
    except (SettingsRefused, OSError) as error:
        raise click.ClickException(str(error)) from None
    except (OperationalError, ProgrammingError) as error:
        raise click.ClickException(_database_trouble(error)) from None
    except SpokesError as error:
        more = error.details.get("report", [])
        raise click.ClickException("\n".join([*more, error.sentence])) from None
    finally:
        db.disconnect()


def command(name: str) -> Callable[[Callable[..., None]], click.Command]:
    """A command that runs inside the service."""

    def made(work: Callable[..., None]) -> click.Command:
        @wraps(work)
        def inside(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - click's own
            with service():
                work(*args, **kwargs)

        return spokes.command(name)(inside)

    return made


@command("init-db")
def init_db() -> None:
    """Bring the database to the present shape, with the hub and the built-in certification where there is none yet."""
    upgrade(settings().database)
    with transaction():
        if find_hub() is None:
            hub = create_unit("hub", "Hub", parent=None)
            imports.import_folder(BUILT_IN, COMMAND, unit_id=hub.id)


@command("create-staff")
@click.argument("email")
@click.option("--role", type=click.Choice(ROLES), required=True)
@click.option("--unit", required=True, help="the unit's short name; hub for the centre")
@click.option("--name", default="")
def create_staff(email: str, role: Any, unit: str, name: str) -> None:  # noqa: ANN401 - a Role, checked by click
    """Give somebody a role, with an account if they have none; prints the link that opens it."""
    try:
        email = TypeAdapter(Email).validate_python(email)
    except ValidationError:
        raise click.BadParameter(f"{email} is not an e-mail address") from None
    with transaction():
        place = find_unit(unit) or (find_hub() if unit == "hub" else None)
        if place is None:
            raise UnitNotFound
        person = find_person(email) or register(email, name or email.partition("@")[0])
        give_role(person, role, place.id, by=COMMAND)
        token = None if person.password_hash else invitations.issue(person.id, "invitation")
    click.echo(f"{settings().address}/welcome/{token}" if token else f"{person.email} has the role now.")


@command("create-api-key")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, help=", ".join(SCOPES))
@click.option("--unit", default=None, help="the unit's short name; the hub when left out")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), default=None)
def make_api_key(name: str, scopes: tuple[str, ...], unit: str | None, expires: datetime | None) -> None:
    """Make a key for a machine; the last line printed is the key, shown only now."""
    with transaction():
        place = find_unit(unit) if unit else find_hub()
        if place is None:
            raise UnitNotFound
        wanted = [each for scope in scopes for each in scope.split(",")]
        until = expires.astimezone() if expires else None
        secret = create_api_key(name, wanted, place.id, expires_at=until)
        audit.record(COMMAND, "api_key.created", "unit", place.id, unit_id=place.id, details={"name": name})
    click.echo(secret)


@command("run-job")
@click.argument("name")
def run_job(name: str) -> None:
    """Run one job of the clock, now."""
    from scheduler import find_job  # knows every package; the other commands need not

    click.echo(f"{name}: {jobs.run_once(find_job(name))}")


@command("jobs")
def list_jobs() -> None:
    """List the jobs of the clock and how often they run."""
    from scheduler import SCHEDULE  # as above

    for job in SCHEDULE:
        click.echo(f"{job.name:24} every {job.every_s:g} s  {job.says}")


@command("check")
def check() -> None:
    """Prove that the scoreboard equals the facts, the ledger balances, the audit log is whole, nothing is stuck."""
    from checks import problems  # knows every package

    found = 0
    for name, look in problems():
        with transaction(read_only=True):
            take_your_time()
            wrong = look()
        found += len(wrong)
        click.echo(f"{name}: {'ok' if not wrong else f'{len(wrong)} wrong'}")
        for sentence in wrong[:20]:
            click.echo(f"  {sentence}")
    if found:
        sys.exit(1)


@command("recount")
def recount() -> None:
    """Set scoreboard, tallies, days and referrers to what their facts sum to, where `check` says that they differ."""
    from checks import recounts  # as above

    for name, count in recounts():
        with transaction():
            take_your_time()
            wrong = count()
            if wrong:
                audit.record(
                    COMMAND, "counts.set_right", "service", name, unit_id=None, details={"places": wrong}
                )
        click.echo(f"{name}: {wrong} set right" if wrong else f"{name}: ok")


@command("import-curriculum")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="only report what would be lost or is wrong")
@click.option("--accept-losses", is_flag=True, help="publish although parts of the folder are left out")
@click.option("--editorial", is_flag=True, help="wording only: learners move along and awards stand")
def import_curriculum(folder: Path, dry_run: bool, accept_losses: bool, editorial: bool) -> None:
    """Publish a certification from its folder, after a report of everything that is wrong or lossy."""
    with transaction():
        kind: Kind = "editorial" if editorial else "material"
        report = imports.import_folder(folder, COMMAND, dry_run, kind=kind, accept_losses=accept_losses)
    click.echo("\n".join(report.lines()))


@command("export-curriculum")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--certification", default="certified-advocate", help="its short name")
def export_curriculum(folder: Path, certification: str) -> None:
    """Write a certification's newest release as the folder it came from."""
    with transaction(read_only=True):
        for path in imports.export_folder(folder, certification):
            click.echo(path)


@command("export-leaderboard")
@click.option("--metric", required=True, help=", ".join(FAMILIES))
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), required=True)
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), required=True)
@click.option("--currency", default=None, help="of revenue")
@click.option("--unit", default=None, help="the unit's short name; the hub when left out")
@click.option("--format", "fmt", type=click.Choice(FORMATS), required=True)
@click.option(
    "-o",
    "output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="a file; else standard output",
)
def export_leaderboard(
    metric: str,
    first: datetime,
    last: datetime,
    currency: str | None,
    unit: str | None,
    fmt: str,
    output: Path | None,
) -> None:
    """Export a leaderboard (both days included, UTC) as CSV, XLSX, JSON or PDF."""
    with transaction():
        place = find_unit(unit) if unit else find_hub()
        if place is None:
            raise UnitNotFound
        units = reach(place.id)
        if metric == "revenue" and currency is None:
            currency = the_currency(units)
        found = standings(Wanted(metric, currency, first.date(), last.date(), units, limit=1_000))
        said = {"metric": metric, "from": f"{first:%Y-%m-%d}", "to": f"{last:%Y-%m-%d}", "format": fmt}
        audit.record(COMMAND, "leaderboard.exported", "unit", place.id, unit_id=place.id, details=said)
    content = file_of(found, fmt)
    if output is None:
        sys.stdout.buffer.write(content)
    else:
        output.write_bytes(content)


@command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def make_backup(file: Path) -> None:
    """Write the whole database into one file, while the service runs."""
    backup.backup(settings().database, file)
    click.echo(f"{file} has everything as of now.")


@command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.confirmation_option(prompt="This replaces the database. Is the service stopped?")
def restore_backup(file: Path) -> None:
    """Put a backup in place of the database; the service must be stopped."""
    db.disconnect()
    backup.restore(settings().database, file)
    click.echo("Restored.")


@command("travel")
@click.argument("days", type=click.FloatRange(min=0, max=400))
def travel(days: float) -> None:
    """Move a development service ahead in time, to see a hold pass or a payout period close."""
    if settings().production:
        raise click.ClickException("Only a development service travels in time.")
    file = settings().data_dir / CLOCK_FILE
    if settings().local_stripe:  # first, so that the two are never apart
        told = {"offset_s": int(clock.ahead_after(days).total_seconds())}
        order = f"{settings().stripe_base}/_sandbox/clock"
        try:
            requests.post(order, json=told, timeout=5).raise_for_status()
        except requests.RequestException as error:
            where = f"No local Stripe at {settings().stripe_base}, so nobody travels. Start it, or say where it is (PORT, SANDBOX_STRIPE_PORT)."
            raise click.ClickException(where) from error
    ahead = clock.travel(file, days)
    click.echo(
        f"The clock is now {ahead.total_seconds() / 86_400:g} days ahead: {clock.now():%Y-%m-%d %H:%M} UTC"
    )


@command("settle-stripe-event")
@click.argument("event")
@click.option(
    "--order",
    default=None,
    help="the id of the order or lead that it is about, as in the address of its page",
)
@click.option("--none", "is_none", is_flag=True, help="it is about none of ours")
def settle_stripe_event(event: str, order: str | None, is_none: bool) -> None:
    """Say what an event of Stripe's is about for which `check` asks a person."""
    from rewards.stripe.settling import settle  # the other commands need not know Stripe

    if (order is None) != is_none:
        raise click.UsageError("Say either --order ID or --none.")
    with transaction():
        settle(event, order, by=COMMAND)
    click.echo("It is about none of ours." if is_none else "Said: the clock applies it in a moment.")


@command("seed-demo")
@click.option("--if-empty", is_flag=True, help="do nothing when there is anything yet")
def seed_demo(if_empty: bool) -> None:
    """Load the demo programme and print the sign-ins."""
    from demo.story import load  # only the demo needs it

    load(only_if_empty=if_empty)


@spokes.command("sandbox-stripe", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def sandbox_stripe(words: tuple[str, ...]) -> None:
    """Run the local Stripe by itself: --port P, and the other options of sandbox.stripe."""
    root = Path(__file__).parent
    os.chdir(root)
    os.execv(sys.executable, [sys.executable, "-m", "sandbox.stripe", *words])  # noqa: S606 - our own words


if __name__ == "__main__":
    spokes(prog_name="bin/spokes")
