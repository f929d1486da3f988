from datetime import timedelta

from advocates.membership import change_standing
from core import db
from core.access import COMMAND
from core.clock import at, now
from curriculum.certification import revoke
from hub.policies import acknowledge, publish_policy
from referrals.conversions.rights import right_to_earn
from tests.factories import Cast, make_advocate
from tests.referrals.stories import certify, make_earner

HOUR = timedelta(hours=1)


def test_a_trainee_lacks_the_certification_and_earns_from_it_on(cast: Cast) -> None:
    with db.transaction():
        member = make_advocate(cast.programme)
        assert right_to_earn(member.id, now()).missing == ("certification",)
        certify(member)
        assert right_to_earn(member.id, now()).earns


def test_a_revoked_certificate_takes_the_right_and_leaves_the_past(cast: Cast) -> None:
    with db.transaction():
        member = make_advocate(cast.programme)
        award, before = certify(member), now()
        with at(now() + HOUR):
            revoke(award, "other", by=COMMAND)
            assert right_to_earn(member.id, now()).missing == ("certification",)
        assert right_to_earn(member.id, before).earns


def test_a_new_material_policy_takes_the_right_until_it_is_acknowledged(cast: Cast) -> None:
    with db.transaction():
        member, before = make_earner(cast.programme), now()
        with at(now() + HOUR):
            version = publish_policy(cast.programme.id, "disclosure", "Disclosure", "Say it.", by=COMMAND)
            assert right_to_earn(member.id, now()).missing == ("policy",)
        with at(now() + 2 * HOUR):
            acknowledge(member.person_id, version.id)
            assert right_to_earn(member.id, now()).earns
        assert right_to_earn(member.id, before).earns


def test_after_the_term_and_on_leave_nothing_is_earned(cast: Cast) -> None:
    with db.transaction():
        member = make_earner(cast.programme)
        assert "term" in right_to_earn(member.id, now() + timedelta(days=400)).missing
        with at(now() + HOUR):
            change_standing(member, "leave", by=COMMAND, reason="a child")
            assert right_to_earn(member.id, now()).missing == ("term",)
