"""Programmes: two owners, a real time zone and currency, changes on record."""

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from core.access import COMMAND
from core.audit import AuditEntry
from core.db import session, transaction
from core.money import UnknownCurrency
from hub.destinations import WrongDestination, WrongHost
from hub.programmes import (
    HostMissing,
    Programme,
    ProgrammeExists,
    ProgrammeNotFound,
    TwoOwnersNeeded,
    UnknownTimeZone,
    WrongPayoutDay,
    change,
    find_programme,
    get_programme,
    open_programmes,
    programmes_in,
)
from tests.factories import Cast, make_programme


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", "Asia/Kathmandu"])
def test_programme_lives_in_its_own_time_zone(cast: Cast, zone: str) -> None:
    with transaction():
        made = make_programme(cast.north, "new", [cast.manager, cast.hub_admin], time_zone=zone)
        assert str(made.zone) == zone


@pytest.mark.parametrize(
    "zone",
    ["", "Mars/Olympus", "Europe", "../../etc/passwd", "/etc/localtime", "Europe/Berlin\0", "x" * 5_000, "é"],
)
def test_unknown_time_zone_is_refused(cast: Cast, zone: str) -> None:
    with transaction(), pytest.raises(UnknownTimeZone):
        make_programme(cast.north, "new", [cast.manager, cast.hub_admin], time_zone=zone)


def test_programme_needs_two_different_owners_a_currency_and_a_name_of_its_own(cast: Cast) -> None:
    with transaction():
        for owners in ([], [cast.manager], [cast.manager, cast.manager]):
            with pytest.raises(TwoOwnersNeeded):
                make_programme(cast.north, "new", owners)
        with pytest.raises(UnknownCurrency):
            make_programme(cast.north, "new", [cast.manager, cast.hub_admin], currency="QQQ")
        with pytest.raises(ProgrammeExists):
            make_programme(cast.south, "makers", [cast.manager, cast.hub_admin])


@pytest.mark.parametrize(
    "wrong", [{"compensation": "gold"}, {"payout_schedule": "hourly"}, {"attribution_rule": "luck"}]
)
def test_words_outside_the_lists_are_refused_by_the_table(cast: Cast, wrong: dict[str, object]) -> None:
    with pytest.raises(IntegrityError), transaction():
        make_programme(cast.north, "new", [cast.manager, cast.hub_admin], **wrong)


def test_programmes_are_found_by_name_id_and_unit(cast: Cast) -> None:
    with transaction(read_only=True):
        assert find_programme("makers") == get_programme(cast.programme.id) == cast.programme
        assert find_programme("nothing") is None
        assert programmes_in(frozenset({cast.south.id})) == [cast.other_programme]
        assert programmes_in(frozenset()) == []
        with pytest.raises(ProgrammeNotFound):
            get_programme("nothing")


def test_closed_programme_takes_no_applications(cast: Cast) -> None:
    with transaction():
        change(get_programme(cast.programme.id), {"open_to_applications": False}, by=COMMAND)
    with transaction(read_only=True):
        assert open_programmes() == [cast.other_programme]


def test_change_is_on_record_with_before_and_after(cast: Cast) -> None:
    with transaction():
        change(get_programme(cast.programme.id), {"hold_days": 45, "name": cast.programme.name}, by=COMMAND)
    with transaction(read_only=True):
        entry = session().exec(select(AuditEntry).where(AuditEntry.action == "programme.changed")).one()
        assert (entry.details, entry.unit_id) == ({"hold_days": [30, 45]}, cast.north.id)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Gärten.example", "xn--grten-gra.example"),
        ("garden.example:443", "garden.example"),
        ("shop.example.", "shop.example"),
        ("SHOP.example:8443", "shop.example:8443"),
        ("127.0.0.1:8013", "127.0.0.1:8013"),
        ("a_b.example", "a_b.example"),
    ],
)
def test_hosts_are_kept_as_destinations_are_held_against_them(cast: Cast, typed: str, kept: str) -> None:
    with transaction():
        programme = get_programme(cast.programme.id)
        values = {"allowed_hosts": [typed, kept], "home_url": f"https://{typed}/x"}
        change(programme, values, by=COMMAND)
        assert (programme.allowed_hosts, programme.home_url) == ([kept], f"https://{kept}/x")


@pytest.mark.parametrize(
    "wrong",
    [
        "*", "*.garden.example", "garden.example/path", "https://garden.example", "user@garden.example",
        "localhost:abc", "evil.example:99999", "evil.example:0", "evil\u202e.example", "a..example", "-a.example",
        "shop.example,", "[::1]:8000", "[", "a" * 64, ".", "?",
    ],
)  # fmt: skip
def test_what_is_no_host_is_refused_by_its_name(cast: Cast, wrong: str) -> None:
    shown, owners = wrong.replace("\u202e", "?"), [cast.manager, cast.hub_admin]
    with pytest.raises(WrongHost) as refused, transaction():
        change(get_programme(cast.programme.id), {"allowed_hosts": ["shop.example", wrong]}, by=COMMAND)
    assert f"“{shown}” is no host." in refused.value.sentence
    with pytest.raises(WrongHost), transaction():
        make_programme(cast.north, "new", owners, allowed_hosts=["shop.example", wrong])
    with transaction(read_only=True):
        assert get_programme(cast.programme.id).allowed_hosts == ["shop.example"]


def test_links_lead_to_allowed_hosts_only(cast: Cast) -> None:
    with pytest.raises(HostMissing), transaction():
        change(get_programme(cast.programme.id), {"allowed_hosts": ["elsewhere.example"]}, by=COMMAND)
    with transaction(read_only=True):
        assert session().get_one(Programme, cast.programme.id).allowed_hosts == ["shop.example"]


@pytest.mark.parametrize(
    "address",
    ["ftp://shop.example/", "javascript://shop.example/%0aalert(1)", "//shop.example/", "shop.example", ""],
)
def test_home_address_is_one_that_links_can_lead_to(cast: Cast, address: str) -> None:
    with transaction(), pytest.raises(WrongDestination):
        make_programme(cast.north, "new", [cast.manager, cast.hub_admin], home_url=address)
    with transaction():
        with pytest.raises(WrongDestination):
            change(get_programme(cast.programme.id), {"home_url": address}, by=COMMAND)
        session().rollback()


def test_home_address_is_kept_as_links_write_it(cast: Cast) -> None:
    with transaction():
        made = make_programme(
            cast.north, "new", [cast.manager, cast.hub_admin], home_url="HTTPS://Shop.example:443"
        )
        assert made.home_url == "https://shop.example/"
    with transaction(), pytest.raises(HostMissing):
        make_programme(
            cast.north, "newer", [cast.manager, cast.hub_admin], home_url="https://shop.example:8/"
        )


def test_points_are_no_currency_of_a_programme(cast: Cast) -> None:
    with transaction(), pytest.raises(UnknownCurrency):
        make_programme(cast.north, "new", [cast.manager, cast.hub_admin], currency="PTS")


@pytest.mark.parametrize(("schedule", "day"), [("monthly", 0), ("monthly", 32), ("weekly", 8)])
def test_payout_day_is_a_day_of_its_schedule(cast: Cast, schedule: str, day: int) -> None:
    owners = [cast.manager, cast.hub_admin]
    with transaction(), pytest.raises(WrongPayoutDay):
        make_programme(cast.north, "new", owners, payout_schedule=schedule, payout_day=day)
