"""The commands of bin/spokes, on an empty database."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import service, spokes
from core import db
from core.settings import CLOCK_FILE, configure
from hub.metrics import SeriesPoint
from hub.units import find_hub
from tests.databases import hurry

Command = Callable[..., Result]


@pytest.fixture
def run(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Runs a command against this test's database, as a shell would."""
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))

    def command(*words: str) -> Result:
        return CliRunner().invoke(spokes, words)

    assert command("init-db").exit_code == 0
    yield command
    configure()
    hurry(db.connect(database))


def test_a_database_without_spokes_is_said_to_be_none(
    run: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'another.sqlite'}")
    checked = run("check")
    assert checked.exit_code == 1
    assert "There is no Spokes in sqlite:///" in checked.output
    assert "bin/spokes init-db" in checked.output


def test_init_db_makes_the_hub_so_that_production_can_begin(run: Command) -> None:
    made = run("create-staff", "first@example.org", "--role", "hub_admin", "--unit", "hub")
    assert made.exit_code == 0, made.output
    assert "/welcome/" in made.output
    assert run("init-db").exit_code == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["create-staff", "nobody", "--role", "hub_admin", "--unit", "hub"], "is not an e-mail address"),
        (["create-staff", "a@example.org", "--role", "hub_admin", "--unit", "moon"], "There is no such unit."),
        (["create-api-key", "shop", "--scope", "everything"], "Scopes are:"),
        (["run-job", "nope"], "There is no job of that name."),
        (["settle-stripe-event", "nope"], "Say either --order ID or --none."),
        (["settle-stripe-event", "nope", "--none"], "There is no such event of Stripe's"),
        (["export-leaderboard", "--metric", "likes", "--from", "2026-01-01", "--to", "2026-01-31", "--format", "csv"], "This metric is not known."),
        (["export-leaderboard", "--metric", "sales", "--from", "2026-01-01", "--to", "2026-01-31", "--format", "csv", "-o", "/nowhere/x"], "No such file"),
        (["export-curriculum", "/proc/nowhere"], "/proc/nowhere"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_sentence(run: Command, words: list[str], sentence: str) -> None:
    said = run(*words)
    assert said.exit_code != 0
    assert sentence in said.output
    assert "Traceback" not in said.output


def test_the_key_stands_alone_on_the_last_line(run: Command) -> None:
    said = run("create-api-key", "shop", "--scope", "conversions:write")
    assert said.output.splitlines()[-1].startswith("spk_")


def test_an_empty_board_is_exported_and_an_empty_service_passes_its_checks(run: Command) -> None:
    words = [
        "export-leaderboard",
        "--metric",
        "sales",
        "--from",
        "2026-01-01",
        "--to",
        "2026-01-31",
        "--format",
        "json",
    ]
    assert json.loads(run(*words).output)["items"] == []
    checked = run("check")
    assert checked.exit_code == 0, checked.output


def test_the_built_in_curriculum_goes_out_and_comes_back_the_same(run: Command, tmp_path: Path) -> None:
    assert run("export-curriculum", str(tmp_path / "out")).exit_code == 0
    said = run("import-curriculum", str(tmp_path / "out"), "--dry-run")
    assert "is the newest release already" in said.output


def test_recount_sets_right_what_check_says_is_wrong(run: Command) -> None:
    with service(), db.transaction():
        hub = find_hub()
        assert hub is not None
        db.session().add(SeriesPoint(metric="clicks", unit_id=hub.id, day=20260101, value=3))
    assert "the scoreboard equals the facts: 1 wrong" in run("check").output
    said = run("recount")
    assert (said.exit_code, said.output.splitlines()) == (
        0,
        ["scoreboard: 1 set right", "tallies, days and referrers of links: ok"],
    )
    assert "the scoreboard equals the facts: ok" in run("check").output


def test_without_its_local_stripe_a_service_does_not_travel(
    run: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        monkeypatch.setenv("SANDBOX_STRIPE_PORT", str(taken.getsockname()[1]))
        said = run("travel", "3")
    assert (said.exit_code, "so nobody travels" in said.output) == (1, True)
    assert not (tmp_path / "data" / CLOCK_FILE).exists()
