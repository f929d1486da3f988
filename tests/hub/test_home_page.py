"""The advocate's home: which step comes next, and the figures beside it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from advocates.membership import Membership, change_standing
from core import db
from core.access import COMMAND
from core.clock import day_number, now
from core.money import Money
from hub import metrics, policies
from hub.home_figures_page import last_months, month_firsts, rank_of
from hub.home_page import home_of, part_of_day
from hub.metrics import Gain
from hub.next_step import Learning, NextStep, Situation, milestones, next_step
from referrals.links.links import end_link, links_of
from rewards import grants
from tests.curriculum.stories import certify, make_enrolment, make_release
from tests.factories import Cast, acting, make_advocate
from tests.rewards.stories import percent_rule, ready_account, refund, sale

READY = Situation(
    active=True,
    certified=True,
    learning=None,
    finished=True,
    policies=(),
    has_link=True,
    pays_money=True,
    money_waits=False,
)
LESSON = Learning("What an advocate is", "/portal/learn/role/what", 6)


class TestNextStep:
    def test_whoever_has_done_everything_shares(self) -> None:
        assert next_step(READY) == NextStep("share", "/portal/links")

    def test_certification_comes_before_everything_else(self) -> None:
        fresh = replace(READY, certified=False, learning=LESSON, finished=False, has_link=False)
        waiting = replace(fresh, policies=(("Disclosure", "v1"),), money_waits=True)
        assert next_step(waiting) == NextStep("learn", LESSON.url, LESSON.title, 6)

    def test_policy_comes_before_the_link_and_names_the_first(self) -> None:
        open_ones = (("Disclosure", "v1"), ("Privacy", "v2"))
        wanted = NextStep("policy", "/portal/policies/v1", "Disclosure")
        assert next_step(replace(READY, policies=open_ones, has_link=False)) == wanted

    def test_link_comes_before_payouts(self) -> None:
        assert next_step(replace(READY, has_link=False, money_waits=True)).kind == "link"

    def test_payouts_are_asked_for_once_there_is_money_in_a_programme_that_pays(self) -> None:
        assert next_step(replace(READY, money_waits=True)).kind == "payouts"
        assert next_step(replace(READY, money_waits=True, pays_money=False)).kind == "share"

    def test_a_certificate_that_ended_is_renewed(self) -> None:
        assert next_step(replace(READY, certified=False)).kind == "renew"

    def test_nothing_to_learn_yet_is_said_honestly(self) -> None:
        assert next_step(replace(READY, certified=False, finished=False)).kind == "wait"

    def test_who_is_out_of_term_is_asked_for_nothing(self) -> None:
        asked = replace(READY, active=False, certified=False, learning=LESSON, money_waits=True)
        assert next_step(asked).kind == "term"

    def test_a_renewal_under_way_does_not_hide_the_rest(self) -> None:
        assert next_step(replace(READY, learning=LESSON)).kind == "share"

    def test_the_way_leads_to_payouts_only_where_money_is_paid(self) -> None:
        kinds = [each.kind for each in milestones(READY, paid_out=False)]
        assert kinds == ["certification", "policy", "link", "payouts"]
        volunteers = milestones(replace(READY, pays_money=False), paid_out=False)
        assert [each.kind for each in volunteers] == kinds[:3]
        assert all(each.done for each in volunteers)


@pytest.mark.parametrize(
    ("hour", "zone", "part"),
    [
        (4, "UTC", "evening"),
        (5, "UTC", "morning"),
        (11, "UTC", "morning"),
        (12, "UTC", "afternoon"),
        (18, "UTC", "evening"),
        (12, "Asia/Tokyo", "evening"),
        (12, "America/Los_Angeles", "evening"),
        (14, "America/Los_Angeles", "morning"),
    ],
)
def test_greeting_goes_by_the_persons_own_clock(hour: int, zone: str, part: str) -> None:
    assert part_of_day(datetime(2026, 11, 2, hour, 30, tzinfo=UTC), zone) == part


def test_six_months_reach_over_the_turn_of_the_year() -> None:
    firsts = month_firsts(date(2026, 2, 28))
    assert firsts == [date(2025, month, 1) for month in (9, 10, 11, 12)] + [
        date(2026, 1, 1),
        date(2026, 2, 1),
    ]


class TestHome:
    """One advocate, from the first day to the first payout."""

    @pytest.fixture
    def ana(self, cast: Cast) -> Membership:
        with db.transaction():
            return make_advocate(cast.programme)

    def agree(self, member: Membership) -> None:
        member.shown_by_name = True
        db.session().add(member)
        db.session().flush()

    def kind(self, member: Membership) -> str:
        with db.transaction(read_only=True):
            step: NextStep = home_of(member, now())["step"]
            return step.kind

    def test_the_step_goes_on_with_what_was_done(self, cast: Cast, ana: Membership) -> None:
        assert self.kind(ana) == "wait"
        with db.transaction():
            make_release(cast)
            make_enrolment(ana)
        assert self.kind(ana) == "learn"
        with db.transaction():
            certify(ana)
            version = policies.publish_policy(
                cast.programme.id, "p", "Disclosure", "Say it first.", by=acting(cast.hub_admin)
            )
        assert self.kind(ana) == "policy"
        with db.transaction():
            policies.acknowledge(ana.person_id, version.id)
        assert self.kind(ana) == "share"  # the first link opened by itself
        with db.transaction():
            percent_rule(cast.programme)
            grants.grant_for_conversion(sale(ana).id)
        assert self.kind(ana) == "payouts"
        with db.transaction():
            ready_account(ana)
        assert self.kind(ana) == "share"
        with db.transaction():
            change_standing(ana, "leave", by=COMMAND, reason="a baby")
        assert self.kind(ana) == "term"

    def test_link_that_ended_is_not_offered_for_sharing(self, cast: Cast, ana: Membership) -> None:
        with db.transaction():
            make_release(cast)
            certify(ana)
            (link,) = links_of(ana.id)
            end_link(link, by=COMMAND)
        with db.transaction(read_only=True):
            assert home_of(ana, now())["link"] is None
        assert self.kind(ana) == "link"

    def test_earnings_are_what_was_granted_less_what_was_taken_back(
        self, cast: Cast, ana: Membership
    ) -> None:
        with db.transaction():
            percent_rule(cast.programme)
            first, second = sale(ana, 10_000), sale(ana, 5_000)
            for each in (first, second):
                grants.grant_for_conversion(each.id)
            grants.reverse_for_refund(refund(first, 10_000).id)
        with db.transaction(read_only=True):
            assert last_months(ana, "EUR", now())[-1].earned == Money(500, "EUR")

    def test_figures_are_the_scoreboards(self, ana: Membership) -> None:
        moment = datetime(2026, 3, 15, tzinfo=UTC)
        with db.transaction():
            metrics.add(
                [
                    Gain("clicks", ana.id, ana.unit_id, 20260301, 7),
                    Gain("leads", ana.id, ana.unit_id, 20260302, 2),
                    Gain("sales", ana.id, ana.unit_id, 20260303, 3),
                    Gain("clicks", ana.id, ana.unit_id, 20251001, 5),
                    Gain("clicks", ana.id, ana.unit_id, 20250930, 99),
                ]
            )
        with db.transaction(read_only=True):
            months = last_months(ana, "EUR", moment)
        assert (months[-1].clicks, months[-1].conversions) == (7, 5)
        assert [month.clicks for month in months] == [5, 0, 0, 0, 0, 7]

    def test_rank_is_shown_only_to_who_agreed_to_be_shown(self, cast: Cast, ana: Membership) -> None:
        with db.transaction():
            ben = make_advocate(cast.programme, "Ben Brings")
            for member, sales in ((ana, 2), (ben, 5)):
                metrics.add([Gain("sales", member.id, member.unit_id, day_number(now()), sales)])
        with db.transaction():
            assert rank_of(ana, now()) is None
            self.agree(ana)
            rank = rank_of(ana, now())
        assert rank is not None
        assert (rank.metric, rank.place.rank, rank.place.value) == ("sales", 2, 2)

    def test_no_rank_without_anything_brought_this_month(self, ana: Membership) -> None:
        with db.transaction():
            self.agree(ana)
            last_month = now().replace(day=1) - timedelta(days=1)
            metrics.add([Gain("clicks", ana.id, ana.unit_id, day_number(last_month), 9)])
            assert rank_of(ana, now()) is None
