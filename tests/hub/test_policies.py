"""Policies over time: what was required at a moment, and what had been acknowledged by then."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import select

from core import events
from core.access import COMMAND
from core.audit import AuditEntry
from core.clock import at, now
from core.db import session, transaction
from hub.policies import (
    Acknowledgement,
    PolicyAcknowledged,
    PolicyChanged,
    PolicyNotFound,
    PolicyVersion,
    acknowledge,
    get_version,
    policies_of,
    publish_policy,
    required_versions,
    unacknowledged,
)
from tests.factories import Cast

JANUARY, MARCH, MAY, JULY = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 3, 5, 7))


def published(
    cast: Cast, moment: datetime, *, slug: str = "disclosure", material: bool = True
) -> PolicyVersion:
    with at(moment), transaction():
        return publish_policy(
            cast.programme.id, slug, slug.title(), f"As of {moment:%B}", by=COMMAND, material=material
        )


def accept(cast: Cast, version: PolicyVersion, moment: datetime) -> Acknowledgement:
    with at(moment), transaction():
        return acknowledge(cast.stranger.id, version.id)


def missing(cast: Cast, moment: datetime) -> list[tuple[str, int]]:
    with transaction(read_only=True):
        return [
            (policy.slug, version.number)
            for policy, version in unacknowledged(cast.stranger.id, cast.programme.id, moment)
        ]


def test_before_the_first_version_nothing_is_required(cast: Cast) -> None:
    published(cast, MARCH)
    assert missing(cast, MARCH - timedelta(seconds=1)) == []
    assert missing(cast, MARCH) == [("disclosure", 1)]


def test_acknowledgement_counts_from_its_moment_on_and_until_a_material_change(cast: Cast) -> None:
    first = published(cast, JANUARY)
    accept(cast, first, MARCH)
    second = published(cast, MAY)
    assert missing(cast, MARCH - timedelta(seconds=1)) == [("disclosure", 1)]
    assert missing(cast, MARCH) == []
    assert missing(cast, MAY - timedelta(seconds=1)) == []
    assert missing(cast, MAY) == [("disclosure", 2)]
    accept(cast, second, JULY)
    assert missing(cast, JULY) == []
    assert missing(cast, JULY - timedelta(seconds=1)) == [("disclosure", 2)], "the past does not change"


def test_change_that_is_not_material_asks_nobody_again_and_lets_newcomers_accept(cast: Cast) -> None:
    first = published(cast, JANUARY)
    published(cast, MARCH, material=False)
    assert missing(cast, MAY) == [("disclosure", 1)]
    accept(cast, first, MAY)
    assert missing(cast, MAY) == []


def test_each_policy_is_asked_for_by_itself(cast: Cast) -> None:
    first = published(cast, JANUARY)
    published(cast, JANUARY, slug="advertising")
    assert missing(cast, MARCH) == [("advertising", 1), ("disclosure", 1)]
    accept(cast, first, MARCH)
    assert missing(cast, MARCH) == [("advertising", 1)]
    with transaction(read_only=True):
        assert [each.slug for each in policies_of(cast.programme.id)] == ["advertising", "disclosure"]
        assert required_versions(cast.other_programme.id, MARCH) == []


def test_wording_that_was_replaced_cannot_be_accepted_any_more(cast: Cast) -> None:
    first = published(cast, JANUARY)
    published(cast, MARCH)
    with pytest.raises(PolicyChanged):
        accept(cast, first, MAY)


def test_accepting_twice_keeps_the_first_moment_and_tells_once(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[PolicyAcknowledged] = []
    monkeypatch.setattr(events, "_reactions", type(events._reactions)(list))  # noqa: SLF001 - put back afterwards
    events.when(PolicyAcknowledged, told.append)
    version = published(cast, JANUARY)
    first, again = accept(cast, version, MARCH), accept(cast, version, MAY)
    assert (again.id, again.at) == (first.id, MARCH)
    assert told == [PolicyAcknowledged(cast.stranger.id, cast.programme.id, MARCH)]
    with transaction(read_only=True):
        assert len(session().exec(select(Acknowledgement)).all()) == 1


def test_version_belongs_to_its_programme(cast: Cast) -> None:
    version = published(cast, JANUARY)
    with transaction(read_only=True):
        assert get_version(version.id, cast.programme.id)[1].text == "As of January"
        for version_id, programme_id in [
            (version.id, cast.other_programme.id),
            ("nothing", cast.programme.id),
        ]:
            with pytest.raises(PolicyNotFound):
                get_version(version_id, programme_id)
    with transaction(), pytest.raises(PolicyNotFound):
        acknowledge(cast.stranger.id, "nothing")


def test_versions_are_numbered_and_take_the_newest_title(cast: Cast) -> None:
    numbers = [published(cast, moment).number for moment in (JANUARY, MARCH, MAY)]
    with transaction():
        publish_policy(cast.programme.id, "disclosure", "Say that you are paid", "…", by=COMMAND)
        assert [each.title for each in policies_of(cast.programme.id)] == ["Say that you are paid"]
        assert required_versions(cast.programme.id, now())[0][1].number == 4
    assert numbers == [1, 2, 3]


def test_first_version_is_always_material_and_on_record_in_its_unit(cast: Cast) -> None:
    first = published(cast, JANUARY, material=False)
    assert first.material
    assert missing(cast, MARCH) == [("disclosure", 1)]
    with transaction(read_only=True):
        entry = session().exec(select(AuditEntry).where(AuditEntry.action == "policy.published")).one()
    assert entry.unit_id == cast.north.id
    assert entry.details == {"number": 1, "material": True}
