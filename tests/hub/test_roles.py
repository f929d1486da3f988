"""Roles: who may do what, where, and from when until when."""

from datetime import timedelta

import pytest
from sqlmodel import select

from core.access import COMMAND
from core.api_keys import create_api_key, key_of
from core.audit import AuditEntry
from core.clock import at, now
from core.db import session, transaction
from hub.roles import (
    ALLOWED,
    ROLES,
    OnlyInTheHub,
    RoleGrant,
    current_roles,
    end_role,
    give_role,
    holders,
    key_actor,
    staff_actor,
)
from tests.factories import Cast, make_staff

TABLE = """
                        hub_admin manager reviewer finance marketing
unit.see                    x        x       x        x        x
unit.manage                 x        .       .        .        .
programme.see               x        x       x        x        x
programme.manage            x        x       .        .        .
programme.four_eyes         x        .       .        x        .
application.see             x        x       x        .        .
application.review          x        x       x        .        .
activity.decide             x        x       x        .        .
advocate.see                x        x       x        x        x
advocate.manage             x        x       .        .        .
curriculum.see              x        x       x        .        .
curriculum.manage           x        x       .        .        .
link.see                    x        x       .        .        x
link.manage                 x        x       .        .        .
conversion.see              x        x       .        x        x
conversion.import           x        x       .        .        .
fraud.see                   x        x       .        x        .
fraud.decide                x        x       .        .        .
appeal.decide               x        x       .        .        .
reward.see                  x        x       .        x        .
reward.approve              x        x       .        .        .
reward.approve_second       .        .       .        x        .
payout.see                  x        x       .        x        .
payout.run                  .        .       .        x        .
leaderboard.see             x        x       x        x        x
leaderboard.export          x        x       .        .        x
leaderboard.emails          x        x       .        .        .
webhook.manage              x        x       .        .        .
audit.see                   x        .       .        .        .
settings.see                x        .       .        .        .
settings.manage             x        .       .        .        .
"""
HEAD, *LINES = TABLE.split("\n")[1:-1]
EXPECTED = {
    line.split()[0]: {role for role, mark in zip(HEAD.split(), line.split()[1:], strict=True) if mark == "x"}
    for line in LINES
}


def test_roles_allow_exactly_what_the_table_says() -> None:
    assert set(HEAD.split()) == set(ROLES)
    assert {action: set(roles) for action, roles in ALLOWED.items()} == EXPECTED


def test_nobody_who_approves_money_also_pays_it_out() -> None:
    assert not ALLOWED["reward.approve"] & (ALLOWED["payout.run"] | ALLOWED["reward.approve_second"])


@pytest.mark.parametrize("role", ROLES)
def test_person_may_what_their_role_allows_in_its_unit_and_nowhere_else(cast: Cast, role: str) -> None:
    own, other = (cast.hub, None) if role == "hub_admin" else (cast.north, cast.south)
    with transaction():
        person = make_staff("New Colleague", role, own)  # type: ignore[arg-type]  # one of ROLES
        actor = staff_actor(person)
    for action, roles in EXPECTED.items():
        assert actor.may(action, own.id) == (role in roles), action
        assert other is None or not actor.may(action, other.id)


def test_role_reaches_down_and_never_up(cast: Cast) -> None:
    with transaction(read_only=True):
        admin, manager = staff_actor(cast.hub_admin), staff_actor(cast.manager)
    assert admin.units_for("unit.manage") == {cast.hub.id, cast.north.id, cast.south.id}
    assert manager.units_for("reward.approve") == {cast.north.id}
    assert manager.sees == {cast.north.id}


def test_several_roles_add_up_each_in_its_own_unit(cast: Cast) -> None:
    with transaction():
        give_role(cast.manager, "marketing", cast.south.id, by=COMMAND)
        actor = staff_actor(cast.manager)
    assert actor.units_for("link.see") == {cast.north.id, cast.south.id}
    assert actor.units_for("link.manage") == {cast.north.id}


def test_somebody_without_a_role_may_nothing(cast: Cast) -> None:
    with transaction(read_only=True):
        assert staff_actor(cast.stranger).rights == {}


def test_role_counts_from_its_beginning_until_just_before_its_end(cast: Cast) -> None:
    begins, ends = now() + timedelta(days=1), now() + timedelta(days=2)
    with transaction():
        session().add(
            RoleGrant(
                person_id=cast.stranger.id,
                unit_id=cast.north.id,
                role="reviewer",
                starts_at=begins,
                ends_at=ends,
            )
        )
    second = timedelta(seconds=1)
    for moment, held in [(begins - second, 0), (begins, 1), (ends - second, 1), (ends, 0)]:
        with at(moment), transaction(read_only=True):
            assert len(current_roles(cast.stranger.id)) == held
            assert bool(staff_actor(cast.stranger).rights) == bool(held)


def test_giving_a_role_twice_changes_nothing_and_every_change_is_on_record(cast: Cast) -> None:
    with transaction():
        first = give_role(cast.stranger, "reviewer", cast.north.id, by=COMMAND)
    with transaction():
        assert give_role(cast.stranger, "reviewer", cast.north.id, by=COMMAND).id == first.id
    with transaction():
        held = session().get_one(RoleGrant, first.id)
        end_role(held, by=COMMAND)
        end_role(held, by=COMMAND)
    with transaction(read_only=True):
        about = select(AuditEntry.action).where(AuditEntry.object_id == cast.stranger.id)
        assert sorted(session().exec(about).all()) == ["role.ended", "role.given"]
        assert current_roles(cast.stranger.id) == []


def test_ended_role_can_be_given_again(cast: Cast) -> None:
    with transaction():
        first = give_role(cast.stranger, "reviewer", cast.north.id, by=COMMAND)
        end_role(first, by=COMMAND)
        assert give_role(cast.stranger, "reviewer", cast.north.id, by=COMMAND).id != first.id


def test_hub_admins_exist_in_the_hub_only(cast: Cast) -> None:
    with transaction(), pytest.raises(OnlyInTheHub):
        give_role(cast.stranger, "hub_admin", cast.north.id, by=COMMAND)


def test_holders_are_those_who_may_act_in_a_unit_now(cast: Cast) -> None:
    with transaction():
        assert [each.name for each in holders("reward.approve", cast.north.id)] == [
            "Hanna Admin",
            "Mara North",
        ]
        assert [each.name for each in holders("payout.run", cast.south.id)] == []
        give_role(cast.stranger, "finance", cast.hub.id, by=COMMAND)
        assert [each.name for each in holders("payout.run", cast.south.id)] == ["Stran Ger"]
        [held] = current_roles(cast.stranger.id)
        end_role(held, by=COMMAND)
        assert [each.name for each in holders("payout.run", cast.south.id)] == []


def test_disabled_people_are_not_asked_to_do_anything(cast: Cast) -> None:
    with transaction():
        person = make_staff("Gone Away", "finance", cast.south)
        person.disabled_at = now()
        session().add(person)
        session().flush()
        assert holders("payout.run", cast.south.id) == []


def test_key_acts_within_its_scopes_in_its_unit_and_below(cast: Cast) -> None:
    with transaction():
        shop = key_actor(key_of(create_api_key("Shop", ["conversions:write"], cast.north.id)))
        central = key_actor(key_of(create_api_key("Central", ["links:read"], cast.hub.id)))
    assert (shop.kind, shop.name) == ("key", "Shop")
    assert dict(shop.rights) == {"conversions:write": frozenset({cast.north.id})}
    assert central.units_for("links:read") == {cast.hub.id, cast.north.id, cast.south.id}
    assert not shop.may("reward.approve", cast.north.id)
