"""What every test stands on: a database of its own (SQLite, or PostgreSQL with SPOKES_TEST_DATABASE=postgresql), the app, the cast."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

import reactions
from core import db, people
from core.garbage import settle
from core.settings import Settings, configure
from sandbox.stripe.recording import FOLDER
from tests.api_contract import CheckedClient
from tests.databases import PostgresServer, hurry
from tests.factories import Cast
from tests.journeys.running import Service, running_service
from tests.sandbox.contract import CURRENT
from tests.sandbox.recorded import problems, record_into
from tests.stage import PostgresStage, Prompter, SqliteStage, Stage
from web import machines

# A cheap hash: what argon2 costs on purpose is not what these tests are about (tests/core/test_people.py looks at that).
people._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # noqa: SLF001 - the one place to say so
# Plain tracebacks: decorated ones take seconds each.
plainly = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[structlog.processors.add_log_level, plainly])
# A busy machine is no reason to fail: only what a test says counts, not how long its inputs took to make.
hypothesis_settings.register_profile("spokes", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("spokes")
ON_POSTGRESQL = os.environ.get("SPOKES_TEST_DATABASE", "sqlite") == "postgresql"


SECRET = "a-secret-for-tests-of-32-characters!"
NOWHERE = Settings(secret_key=SECRET)
"""what is in force between tests"""
_prompter = Prompter()


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Where every test's database comes from."""
    configure(NOWHERE)
    if not ON_POSTGRESQL:
        yield SqliteStage(f"sqlite:///{tmp_path_factory.mktemp('database') / 'empty.sqlite'}", _prompter)
        return
    with PostgresServer() as server:
        yield PostgresStage(server.create(f"spokes_test_{os.getpid()}"), _prompter)
        db.disconnect()


@pytest.fixture
def database(request: pytest.FixtureRequest, stage: Stage) -> Iterator[str]:
    """This test's own database; the answer is its address."""
    url = stage.put_up(with_cast="cast" in request.fixturenames)
    db.connect(url)
    for each in db.engines():
        hurry(each)  # the last to be closed is the one that writes the journal back
    yield url
    stage.clear()


@pytest.fixture
def settings(database: str, tmp_path: Path) -> Iterator[Settings]:
    """Development settings over this test's database and a data folder of its own."""
    yield configure(NOWHERE.model_copy(update={"database_url": database, "data_dir": tmp_path / "data"}))
    configure(NOWHERE)


@pytest.fixture
def wired(settings: Settings) -> None:
    """The reactions, registered."""
    reactions.wire()


@pytest.fixture
def cast(wired: None) -> Cast:
    """The small cast of every test: see tests/factories.py."""
    return _prompter.cast()


_apps: list[Flask] = []
_recorded = pytest.StashKey[Path]()


@pytest.fixture
def app(settings: Settings) -> Flask:
    """The application, for requests without a network; made once, since it keeps nothing between requests."""
    if not _apps:
        from app import create_app

        _apps.append(create_app(settings))
        hurry(db.engine())
    made = _apps[0]
    made.config["WTF_CSRF_ENABLED"] = False  # tests/web/test_csrf.py turns it on
    made.config["SPOKES"] = settings
    made.test_client_class = CheckedClient
    machines.rates.forget()
    return made


def pytest_configure(config: pytest.Config) -> None:
    """Have the local Stripe write down what it answers, in every process of this session."""
    if FOLDER not in os.environ:
        config.stash[_recorded] = Path(tempfile.mkdtemp(prefix="spokes-stripe-"))
        record_into(config.stash[_recorded])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hold all of it against Stripe's contract; the process that began the session does, when the others are through."""
    folder = session.config.stash.get(_recorded, None)
    if folder is None:
        return
    os.environ.pop(FOLDER)
    if not CURRENT.exists():
        print("\nStripe's contract is not here: the local Stripe's answers were not held against it")  # noqa: T201
    found = problems(folder)
    shutil.rmtree(folder)
    if found:
        print("\nThe local Stripe answered what Stripe's contract does not know:", *found, sep="\n  ")  # noqa: T201
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_collection() -> None:
    """What is being loaded is no garbage: to look for some all the while is a third of the collection."""
    settle()


def pytest_collection_finish() -> None:
    """What is loaded by now stays: nobody has to look through it for garbage after every other test."""
    settle()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What touches no database is the same on both: it runs once, on SQLite."""
    if not ON_POSTGRESQL:
        return
    needy = [each for each in items if {"stage", "database"} & set(getattr(each, "fixturenames", ()))]
    config.hook.pytest_deselected(items=[each for each in items if each not in needy])
    items[:] = needy


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser that is not signed in."""
    return app.test_client()


@pytest.fixture(scope="session")
def empty_database_url(stage: Stage) -> Iterator[str]:
    """The address of an empty database for a whole service; empty for the service's own SQLite."""
    if not ON_POSTGRESQL:
        yield ""
        return
    url = make_url(stage.url)
    engine = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE a_service"))
    yield url.set(database="a_service", drivername="postgresql").render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text("DROP DATABASE a_service WITH (FORCE)"))
    engine.dispose()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, empty_database_url: str) -> Iterator[Service]:
    """bin/serve with the demo on a temporary data folder: one for all, since its start is what it costs most."""
    with running_service(tmp_path_factory.mktemp("service"), empty_database_url) as running:
        yield running
