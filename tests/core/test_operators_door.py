"""What operators ask: is the process up, is the service ready, how does it go."""

from datetime import timedelta

from flask.testing import FlaskClient

from core import clock
from core.clock import now
from core.jobs import Job, run_once

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
