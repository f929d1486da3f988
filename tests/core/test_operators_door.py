"""What operators ask: is the process up, is the service ready, how does it go."""

from datetime import timedelta

from flask.testing import FlaskClient

from core import clock
from core.clock import now
from core.jobs import Job, run_once
from core.settings import Settings, configure
from referrals.clicks.clicks import ingest
from referrals.clicks.journal import Journal, segments
from referrals.clicks.link_table import milliseconds

BEAT = Job("heartbeat", 5, lambda: 1, "beats")


def test_the_process_is_up_without_asking_anything(client: FlaskClient) -> None:
    assert client.get("/healthz").get_json() == {"status": "up"}


def test_without_a_clock_the_service_is_not_ready_and_says_why(client: FlaskClient) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["checks"] == {
        "database": "ok",
        "clock": "no heartbeat for 45 s",
        "journal": "ok",
    }


def test_a_beating_clock_makes_it_ready_until_it_stops(client: FlaskClient) -> None:
    run_once(BEAT)
    assert client.get("/readyz").status_code == 200
    with clock.at(now() + timedelta(seconds=60)):
        assert client.get("/readyz").status_code == 503


def test_figures_are_in_prometheus_words(client: FlaskClient) -> None:
    run_once(BEAT)
    text = client.get("/metrics").text
    assert 'spokes_job_age_seconds{job="heartbeat"}' in text
    assert "spokes_journal_bytes 0.0" in text


def test_figures_are_only_for_whoever_brings_the_token_where_there_is_one(
    client: FlaskClient, settings: Settings
) -> None:
    configure(settings.model_copy(update={"metrics_token": "a-token-of-20-letters"}))
    for brought in ("", "Bearer", "Bearer a-token-of-20-lettersX", "a-token-of-20-letters", "Bearer \u00fc"):
        refused = client.get("/metrics", headers={"Authorization": brought})
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "spokes_journal_bytes" not in refused.text
    told = client.get("/metrics", headers={"Authorization": "Bearer a-token-of-20-letters"})
    assert "spokes_journal_bytes" in told.text


def test_clicks_that_did_not_get_on_file_are_told_while_and_after_it_happens(
    client: FlaskClient, settings: Settings
) -> None:
    run_once(BEAT)
    journal = Journal(settings.data_dir / "journal")
    journal.append(b"x\n")
    for _ in range(3):
        journal.lose(milliseconds(now()))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()["lost_clicks"]) == (503, 3)
    assert "disk full" in answer.get_json()["checks"]["journal"]
    assert "spokes_clicks_lost 3.0" in client.get("/metrics").text
    journal.close()
    ingest()
    assert segments(settings.data_dir / "journal") == []
    with clock.at(now() + timedelta(seconds=31)):
        answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()["lost_clicks"]) == (200, 3)
