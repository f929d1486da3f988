"""Tiers: what the scoreboard says, dated, told when somebody comes up, and kept by the clock."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlmodel import select

from advocates import tiers
from advocates.membership import Membership
from advocates.tiers import Tier, TierHeld, TierTaken
from core.clock import at, day_number, now
from core.db import session, transaction
from core.outbox import OutboxMessage
from core.people import Person
from hub.metrics import Gain, add
from hub.programmes import Programme
from tests.at_once import at_once
from tests.factories import Cast, acting, make_advocate, sign_in

JUNE = datetime(2027, 6, 15, 12, tzinfo=UTC)


@pytest.fixture
def ana(cast: Cast) -> Membership:
    with at(JUNE), transaction():
        return make_advocate(cast.programme)


def tier(cast: Cast, name: str, place: int, at_least: int, **more: object) -> Tier:
    with at(JUNE), transaction():
        return tiers.define(cast.programme, name, place, at_least, by=acting(cast.manager), **more)  # type: ignore[arg-type]  # columns by name


def gain(member: Membership, value: int, when: datetime = JUNE, metric: str = "points") -> None:
    with transaction():
        add([Gain(metric, member.id, member.unit_id, day_number(when), value)])


def settle(when: datetime) -> int:
    with at(when):
        return tiers.settle()


def name_now(member: Membership) -> str | None:
    with transaction(read_only=True):
        found = tiers.tier_of(member.id)
        return found.name if found else None


def mails() -> list[str]:
    with transaction(read_only=True):
        told = session().exec(select(OutboxMessage).where(OutboxMessage.kind == "mail"))
        return sorted(each.content["subject"] for each in told)


def test_the_highest_tier_that_somebody_reaches_is_theirs(cast: Cast, ana: Membership) -> None:
    for name, place, least in (("Gold", 3, 500), ("Bronze", 1, 10), ("Silver", 2, 100)):
        tier(cast, name, place, least)
    gain(ana, 9)
    assert (settle(JUNE), name_now(ana)) == (0, None)
    gain(ana, 91)
    assert (settle(JUNE), name_now(ana)) == (1, "Silver")
    assert (settle(JUNE), mails()) == (0, ["You are Silver in Makers"])


def test_only_the_months_of_its_window_count(cast: Cast, ana: Membership) -> None:
    tier(cast, "Bronze", 1, 100, months=3)
    gain(ana, 100)
    settle(JUNE)
    assert settle(datetime(2027, 8, 31, 23, tzinfo=UTC)) == 0
    assert settle(datetime(2027, 9, 1, 0, 1, tzinfo=UTC)) == 1
    assert name_now(ana) is None
    assert mails() == ["You are Bronze in Makers"]  # nobody is written to about going down


def test_any_moment_can_be_asked(cast: Cast, ana: Membership) -> None:
    bronze, gold = tier(cast, "Bronze", 1, 10), tier(cast, "Gold", 2, 100)
    gain(ana, 10)
    settle(JUNE)
    later = JUNE + timedelta(days=3)
    gain(ana, 90, later)
    settle(later)
    moments = [JUNE - timedelta(seconds=1), JUNE, later - timedelta(seconds=1), later]
    with transaction(read_only=True):
        held = tiers.held_at((ana.id, each) for each in moments)
    assert [held.get((ana.id, each)) for each in moments] == [None, bronze.id, bronze.id, gold.id]


def test_revenue_counts_in_the_programmes_currency_and_what_is_taken_back_does_not(
    cast: Cast, ana: Membership
) -> None:
    tier(cast, "Seller", 1, 1_000_00, counts="revenue", months=1)
    gain(ana, 5_000_00, metric="revenue:USD")
    gain(ana, 1_000_00, metric="revenue:EUR")
    settle(JUNE)
    assert name_now(ana) == "Seller"
    gain(ana, -1, metric="revenue:EUR")
    settle(JUNE + timedelta(days=1))
    assert name_now(ana) is None


def test_two_clocks_give_one_tier(cast: Cast, ana: Membership) -> None:
    tier(cast, "Bronze", 1, 10)
    gain(ana, 10, now())
    at_once(tiers.settle, tiers.settle)
    tiers.settle()
    with transaction(read_only=True):
        assert len(session().exec(select(TierHeld)).all()) == 1


def test_a_tier_that_ends_is_nobodys(cast: Cast, ana: Membership) -> None:
    bronze, gold = tier(cast, "Bronze", 1, 10), tier(cast, "Gold", 2, 20)
    gain(ana, 20)
    settle(JUNE)
    with at(JUNE), transaction():
        programme = session().get_one(Programme, cast.programme.id)
        for _again in range(2):
            tiers.end(session().get_one(Tier, gold.id), programme, by=acting(cast.manager))
    assert name_now(ana) == bronze.name
    assert tier(cast, "Gold", 2, 30).name == "Gold"  # name and place are free again


def test_a_name_and_a_place_are_given_once(cast: Cast) -> None:
    tier(cast, "Bronze", 1, 10)
    for name, place in (("Bronze", 2), ("Silver", 1)):
        with pytest.raises(TierTaken):
            tier(cast, name, place, 20)


def test_the_next_tier_is_said_with_what_there_is(cast: Cast, ana: Membership) -> None:
    tier(cast, "Bronze", 1, 10)
    tier(cast, "Gold", 2, 100)
    gain(ana, 12, now())
    tiers.settle()
    with transaction(read_only=True):
        above = tiers.next_of(ana)
    assert above is not None
    assert (above.tier.name, above.has) == ("Gold", 12)


def added(client: FlaskClient, typed: dict[str, str]) -> int:
    """The status of adding a tier as its effect was shown."""
    return client.post("/console/advocates/tiers", data=typed | {"seen": digest(client, typed)}).status_code


def digest(client: FlaskClient, typed: dict[str, str]) -> str:
    found = re.search(
        r'name="seen" value="(\w{64})"', client.post("/console/advocates/tiers", data=typed).text
    )
    assert found
    return found[1]


def test_a_tier_is_shown_with_whom_it_moves_and_added_just_as_shown(
    client: FlaskClient, cast: Cast, ana: Membership
) -> None:
    with transaction():
        ben, cai, dea = (make_advocate(cast.programme, each) for each in ("Ben", "Cai", "Dea"))
        tiers.define(cast.programme, "Bronze", 1, 10, by=acting(cast.manager))
    for each, points in ((ana, 60), (ben, 70), (cai, 20)):
        gain(each, points, now())
    settle(now())
    gain(dea, 80, now())  # the clock has not given her Bronze yet
    silver = {
        "programme_id": cast.programme.id, "name": "Silver", "place": "2", "counts": "points", "at_least": "50", "months": "12",
    }  # fmt: skip
    sign_in(client, cast.manager)
    page = client.post("/console/advocates/tiers", data=silver).text
    assert re.findall(r"<tr><td>(\w+)</td><td[^>]*>(\d+)</td>", page) == [("Bronze", "2"), ("none", "1")]
    assert "Add it and give it to 3 advocates" in page
    seen = digest(client, silver)
    assert (
        client.post("/console/advocates/tiers", data=silver | {"seen": seen, "at_least": "5"}).status_code
        == 409
    )
    gain(cai, 40, now())
    assert client.post("/console/advocates/tiers", data=silver | {"seen": seen}).status_code == 409
    with transaction(read_only=True):
        assert [each.name for each in tiers.tiers_of(cast.programme.id)] == ["Bronze"]
    assert added(client, silver) == 303
    assert [name_now(each) for each in (ana, ben, cai, dea)] == ["Silver"] * 4
    assert mails().count("You are Silver in Makers") == 4


def test_managers_keep_tiers_and_advocates_see_theirs(
    client: FlaskClient, cast: Cast, ana: Membership
) -> None:
    gain(ana, 12, now())
    sign_in(client, cast.manager)
    typed = {
        "programme_id": cast.programme.id,
        "name": "Bronze",
        "place": "1",
        "counts": "points",
        "at_least": "10",
        "months": "12",
    }
    assert added(client, typed) == 303
    assert client.post("/console/advocates/tiers", data=typed | {"name": "B2"}).status_code == 409
    assert (
        client.post("/console/advocates/tiers", data=typed | {"place": "2", "at_least": "10.5"}).status_code
        == 422
    )
    gold = typed | {"name": "Gold", "place": "2", "at_least": "250", "counts": "revenue"}
    assert added(client, gold) == 303
    page = client.get("/console/advocates/tiers").text
    assert ("10 points in 12 months" in page, "€250.00" in page) == (True, True)
    with transaction():
        person = session().get_one(Person, ana.person_id)
    sign_in(client, person)
    home = client.get("/portal").text
    assert ("Bronze" in home, "€0.00 of €250.00 to Gold" in home) == (True, True)
    with transaction(read_only=True):
        ended = {
            "programme_id": cast.programme.id,
            "tier_id": session().exec(select(Tier.id).where(Tier.name == "Bronze")).one(),
        }
    sign_in(client, cast.other_manager)
    assert client.post("/console/advocates/tiers", data=typed).status_code == 404
    assert client.post("/console/advocates/tiers/end", data=ended).status_code == 404
    assert "10 points in" not in client.get("/console/advocates/tiers").text
    sign_in(client, cast.manager)
    assert client.post("/console/advocates/tiers/end", data=ended).status_code == 303
    sign_in(client, cast.stranger)
    assert client.get("/console/advocates/tiers").status_code == 403
