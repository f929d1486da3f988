"""The clock proves the books once a day, and the hub's admins are asked to look when they do not hold."""

from datetime import timedelta

from flask.testing import FlaskClient
from sqlalchemy import text

import checks
from core import proofs
from core.clock import at, now
from core.db import session, transaction
from hub import actions
from tests.at_once import at_once
from tests.factories import Cast, acting, sign_in

PAGE = "/console/jobs"


def break_the_scoreboard() -> None:
    with transaction():
        session().execute(
            text(
                "INSERT INTO ladder (metric, member_id, period, unit_id, value) VALUES ('sales', 'x', 'all', 'u', 9)"
            )
        )


def test_it_is_proved_once_a_day_whoever_asks(cast: Cast) -> None:
    assert [each for each in at_once(checks.prove, checks.prove) if each] == []
    with transaction(read_only=True):
        first = proofs.newest()
        assert first is not None
        assert first.broken == []
    break_the_scoreboard()
    assert checks.prove() == 0  # tomorrow
    with at(now() + timedelta(days=1)):
        assert checks.prove() == 1
        assert checks.prove() == 0


def test_a_broken_promise_is_put_before_the_hub_until_it_holds_again(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.hub_admin)
    assert "Not proved yet" in client.get(PAGE).text
    break_the_scoreboard()
    assert checks.prove() == 1
    page = client.get(PAGE).text
    assert "the scoreboard equals the facts" in page
    assert "the facts say 0, the scoreboard 9" in page
    with transaction():
        (asked,) = actions.waiting_for(acting(cast.hub_admin), kind=checks.LOOK).items
        assert "not the scoreboard equals the facts" in asked.summary
        assert actions.waiting_for(acting(cast.manager), kind=checks.LOOK).items == []
        session().execute(text("DELETE FROM ladder"))
    with at(now() + timedelta(days=1)):
        assert checks.prove() == 0
        with transaction():
            assert actions.waiting_for(acting(cast.hub_admin), kind=checks.LOOK).items == []
    assert "in order" in client.get(PAGE).text
    assert sign_in(client, cast.manager).get(PAGE).status_code == 403


def test_a_proof_that_broke_off_is_begun_again_when_its_lease_is_over(cast: Cast) -> None:
    with transaction():
        assert proofs.claim_today() is not None
    assert checks.prove() == 0
    with transaction(read_only=True):
        assert proofs.newest() is None
    if now().hour < 21:
        with at(now() + proofs.LEASE):
            checks.prove()
        with transaction(read_only=True):
            assert proofs.newest() is not None
