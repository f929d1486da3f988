"""What happens is told to whoever asked for it: each kind of message, by the real verbs; to its units and to nobody else."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import select

import announcements
from advocates import applications
from advocates.applications import decline
from advocates.membership import Membership
from core import driver
from core.access import COMMAND
from core.clock import at, now
from core.db import engine, session, transaction
from curriculum.certification import revoke
from hub import announcing
from referrals.conversions import reassignment, refunds
from referrals.conversions.conversions import Conversion, get_conversion
from referrals.conversions.narrowing import OTHERS
from referrals.links.links import Link
from rewards.approvals import approvals
from rewards.grants import get_reward
from tests.advocates.stories import make_application
from tests.factories import Cast, acting, make_advocate
from tests.hub.webhook_stories import BY_NAME, Made, bodies, make_endpoint, types_of
from tests.referrals.stories import bring, certify, give_back, make_earner, make_link
from tests.rewards.stories import approvable, percent_rule, seen
from webhook_types import TYPES

URL = "https://hooks.example/in"
DOCS = Path(__file__).parent.parent / "docs" / "webhooks.md"


@pytest.fixture
def made(cast: Cast) -> Made:
    """An endpoint of north that asked for everything."""
    return make_endpoint(cast.north, URL, by=cast.manager)


@contextmanager
def statements() -> Iterator[list[str]]:
    """The SQL that runs meanwhile."""
    heard: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:  # noqa: ANN401 - SQLAlchemy's hook
        heard.append(statement)

    fetch = driver.fetch

    def fetched(statement: str, values: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 - as the driver's
        heard.append(statement)
        return fetch(statement, values)

    event.listen(engine(), "before_cursor_execute", hear)
    driver.fetch = fetched
    yield heard
    driver.fetch = fetch
    event.remove(engine(), "before_cursor_execute", hear)


def test_application_is_told_at_every_step_and_without_what_people_wrote(cast: Cast, made: Made) -> None:
    with transaction():
        application = make_application()
        applications.take_up(application, by=acting(cast.manager))
    with transaction():
        again = applications.get_application(application.id)
        applications.ask_info(again, by=acting(cast.manager), reason="Where?")
        applications.answer(again, "There.")
        applications.waitlist(again, by=acting(cast.manager), reason="Later.")
    with transaction():
        applications.accept(applications.get_application(application.id), by=acting(cast.manager))
        decline(make_application(email="two@example.org"), by=acting(cast.manager), reason="No.")
        applications.withdraw(make_application(email="three@example.org"))
    told = bodies(made)
    acts = [each["type"].partition(".")[2] for each in told if each["data"]["id"] == application.id]
    assert acts == ["submitted", "in_review", "needs_info", "in_review", "waitlisted", "accepted"]
    assert {"application.declined", "application.withdrawn"} <= set(types_of(made))
    accepted = next(each["data"] for each in told if each["type"] == "application.accepted")
    assert (accepted["programme"], accepted["unit"], accepted["state"]) == ("makers", "north", "accepted")
    assert accepted["advocate_id"]
    written = json.dumps(told)
    assert not [each for each in ("example.org", "Ines", "bicycles", "video.example") if each in written]


def test_certification_is_told_when_awarded_revoked_and_ended(cast: Cast, made: Made) -> None:
    with transaction():
        award = certify(make_advocate(cast.programme))
        other = certify(make_advocate(cast.programme, "Bo Other"))
    with transaction():
        revoke(award, "mistake", by=COMMAND)
    for _ in range(2):
        with at(other.valid_until + timedelta(hours=1)), transaction():
            announcements.tell_expired()
    told = [each for each in bodies(made) if each["type"].startswith("certification.")]
    assert [(each["type"], each["data"]["status"]) for each in told] == [
        ("certification.awarded", "valid"),
        ("certification.awarded", "valid"),
        ("certification.revoked", "revoked"),
        ("certification.expired", "expired"),
    ]
    assert told[2]["data"]["revoked_for"] == "mistake"
    assert "Bo Other" not in json.dumps(told), "nobody is named who did not agree to it"


def test_sale_its_reward_and_its_refund_are_told_as_the_api_shows_them(cast: Cast, made: Made) -> None:
    with transaction():
        percent_rule(cast.programme)
        make_link(make_earner(cast.programme), "ana")
    with transaction():
        bring(cast.north.id, code="ana", external_id="order-1")
        bring(cast.north.id, code="nobody", external_id="order-2")
    with transaction():
        give_back(cast.north.id, "order-1", 6_450)
    told = {each["type"]: each["data"] for each in bodies(made)}
    assert types_of(made).count("conversion.recorded") == 1, "an order that nobody won is not told"
    assert told["conversion.recorded"]["external_id"] == "order-1"
    assert told["conversion.recorded"]["attribution"]["link"] == "ana"
    assert told["reward.granted"]["conversion_external_id"] == "order-1"
    assert told["reward.granted"]["amount_minor"] == 1_290
    refunded = told["conversion.refunded"]
    assert (refunded["refunded_minor"], refunded["refund"]["amount_minor"]) == (6_450, 6_450)
    reversed_ = told["reward.reversed"]
    assert (reversed_["taken_back_minor"], reversed_["amount_minor"]) == (645, 645)
    assert reversed_["refund_external_id"] == refunded["refund"]["external_id"]


def test_a_refund_that_comes_back_and_a_sale_that_moves_are_told(cast: Cast, made: Made) -> None:
    with transaction():
        ana, ben = make_earner(cast.programme, "Ana"), make_earner(cast.programme, "Ben")
        make_link(ana, "ana")
        his = make_link(ben, "ben", coupon="BEN10")
        sale = bring(cast.north.id, code="nobody", coupon="BEN10", external_id="order-1")
    with transaction():
        refunds.undo(give_back(cast.north.id, "order-1", 6_450))
    for to, link in ((None, None), (ben, his.id), (None, None)):
        with transaction():
            there = get_conversion(sale.id)
            reassignment.reassign(there, to, link_id=link, why="we looked at it", by=acting(cast.manager))
    told = [each for each in bodies(made) if each["type"].startswith("conversion.")]
    undone = next(each["data"] for each in told if each["type"] == "conversion.refund_undone")
    assert (undone["external_id"], undone["refunded_minor"]) == ("order-1", 0)
    assert (undone["refund"]["amount_minor"], undone["refund"]["state"]) == (6_450, "came_back")
    moved = [each["data"]["attribution"]["link"] for each in told if each["type"] == "conversion.reassigned"]
    assert moved == [None, "ben", None], "each time again"


def test_a_refund_that_moves_to_the_order_that_was_won_is_told_of_that_too(cast: Cast, made: Made) -> None:
    with transaction():
        make_link(make_earner(cast.programme), "ana")
    with transaction():
        bring(cast.north.id, code="nobody", external_id="order-1")
        give_back(cast.north.id, "order-1", 6_450)
    with transaction():
        won = bring(cast.hub.id, code="ana", external_id="order-1")
    told = [each["data"] for each in bodies(made) if each["type"] == "conversion.refunded"]
    assert [each["attribution"]["link"] for each in told] == [None, "ana"]
    assert (told[1]["id"], told[1]["refunded_minor"]) == (won.id, 6_450)


def test_what_only_an_appeal_won_is_told_when_it_is_won(cast: Cast, made: Made) -> None:
    with transaction():
        ben = make_earner(cast.programme, "Ben")
        link = make_link(ben, "ben")
        early = (now() - timedelta(hours=1)).isoformat()
        sale = bring(cast.north.id, code="ben", occurred_at=early)
    assert [each for each in types_of(made) if each.startswith("conversion.")] == []
    with transaction():
        there = get_conversion(sale.id)
        reassignment.reassign(there, ben, link_id=link.id, why="an appeal", by=acting(cast.manager))
    [told] = [each["data"] for each in bodies(made) if each["type"].startswith("conversion.")]
    assert (told["id"], told["attribution"]["link"]) == (sale.id, "ben")


class TestWhatGoesToAnotherUnit:
    @pytest.fixture
    def advocates(self, cast: Cast) -> tuple[Membership, Membership]:
        """Ana of north, and Bo of south; the hub's order is Ana's."""
        with transaction():
            ana, bo = make_earner(cast.programme), make_earner(cast.other_programme, "Bo Other")
            make_link(ana, "ana")
            make_link(bo, "bob", coupon="BOB10")
            bring(cast.hub.id, code="ana", coupon="BOB10", external_id="order-1")
        return ana, bo

    @staticmethod
    def give(cast: Cast, to: Membership | None) -> None:
        with transaction():
            there = session().exec(select(Conversion)).one()
            links = select(Link.id).where(Link.membership_id == (to.id if to else ""))
            link_id = session().exec(links).first()
            reassignment.reassign(there, to, link_id=link_id, why="an appeal", by=acting(cast.hub_admin))

    @staticmethod
    def moved(made: Made) -> list[tuple[str | None, str | None]]:
        found = [
            each["data"]["attribution"] for each in bodies(made) if each["type"] == "conversion.reassigned"
        ]
        return [(each["advocate"], each["advocate_id"]) for each in found]

    def test_the_unit_that_loses_it_is_told_each_time_and_not_who_has_it_now(
        self, cast: Cast, made: Made, advocates: tuple[Membership, Membership]
    ) -> None:
        ana, bo = advocates
        south = make_endpoint(cast.south, URL, by=cast.other_manager)
        for to in (bo, ana, bo, ana):
            self.give(cast, to)
        gone, here = (OTHERS, None), (f"Advocate #{ana.number}", ana.id)
        assert self.moved(made) == [gone, here] * 2
        assert self.moved(south) == [(f"Advocate #{bo.number}", bo.id), gone] * 2
        lost = json.dumps([each for each in bodies(made) if OTHERS in json.dumps(each)])
        assert not [each for each in ("BOB10", bo.id, '"bo"') if each in lost]

    def test_the_unit_that_had_it_is_told_that_it_is_nobodys_and_hears_no_more_of_it(
        self, cast: Cast, made: Made, advocates: tuple[Membership, Membership]
    ) -> None:
        ana, bo = advocates
        for to in (bo, None, bo):
            self.give(cast, to)
        assert self.moved(made) == [(OTHERS, None)]
        self.give(cast, ana)
        self.give(cast, None)
        assert self.moved(made)[1:] == [(f"Advocate #{ana.number}", ana.id), (None, None)]


def test_decisions_about_rewards_are_told_also_when_they_come_again(cast: Cast, made: Made) -> None:
    with transaction():
        percent_rule(cast.programme)
        earner = make_earner(cast.programme)
    first, second = approvable(earner), approvable(earner)
    for _ in range(2):
        with transaction():
            approvals.approve(seen(get_reward(first)), by=acting(cast.manager))
        with transaction():
            approvals.undo(get_reward(first), by=acting(cast.manager))
    with transaction():
        approvals.hold(get_reward(second), by=acting(cast.manager), reason="Look.")
        approvals.release(get_reward(second), by=acting(cast.manager))
        approvals.deny(get_reward(second), by=acting(cast.manager), reason="No.")
    told = [(each["data"]["id"], each["type"]) for each in bodies(made) if each["type"].startswith("reward.")]
    decided = [(id_, name) for id_, name in told if name != "reward.granted"]
    assert sorted(decided) == sorted(
        [(first, "reward.approved"), (first, "reward.approval_undone")] * 2
        + [(second, f"reward.{act}") for act in ("held", "released", "denied")]
    )


class TestWhoIsTold:
    @pytest.fixture(autouse=True)
    def _shop(self, cast: Cast) -> None:
        with transaction():
            make_link(make_earner(cast.programme), "ana")

    def test_a_unit_and_those_above_but_no_other(self, cast: Cast, made: Made) -> None:
        hub = make_endpoint(cast.hub, URL, by=cast.hub_admin)
        south = make_endpoint(cast.south, URL, by=cast.other_manager)
        with transaction():
            bring(cast.north.id, code="ana")
        assert [types_of(each)[-1:] for each in (made, hub, south)] == [["conversion.recorded"]] * 2 + [[]]

    def test_shop_of_the_hub_and_winner_of_a_unit_are_told_each_what_they_may_know(
        self, cast: Cast, made: Made
    ) -> None:
        with transaction():
            bring(cast.hub.id, code="ana", metadata={})
        [told] = [each["data"] for each in bodies(made) if each["type"] == "conversion.recorded"]
        assert told["attribution"]["advocate_id"]

    def test_only_what_was_asked_for_and_nothing_while_switched_off(self, cast: Cast) -> None:
        sales = make_endpoint(cast.north, URL, "conversion.*", by=cast.manager)
        grants = make_endpoint(cast.north, URL, "reward.granted", "certification.*", by=cast.manager)
        off = make_endpoint(cast.north, URL, by=cast.manager)
        with transaction():
            from hub import endpoints

            endpoints.disable(endpoints.get_endpoint(off.id), "Off.", by=COMMAND)
        with transaction():
            percent_rule(cast.programme)
            bring(cast.north.id, code="ana")
        assert [types_of(each) for each in (sales, grants, off)] == [
            ["conversion.recorded"], ["reward.granted"], [],
        ]  # fmt: skip

    def test_what_was_undone_is_not_told(self, cast: Cast, made: Made) -> None:
        def refused_later() -> None:
            bring(cast.north.id, code="ana")
            raise KeyError

        with pytest.raises(KeyError), transaction():
            refused_later()
        before = types_of(made)
        with transaction():
            try:
                with session().begin_nested():
                    refused_later()
            except KeyError:
                bring(cast.north.id, code="ana", external_id="kept")
        assert types_of(made) == [*before, "conversion.recorded"]
        assert bodies(made)[-1]["data"]["external_id"] == "kept"

    def test_replay_of_an_order_is_not_told_again(self, cast: Cast, made: Made) -> None:
        moment = now()
        for _ in range(2):
            with at(moment), transaction():
                bring(cast.north.id, code="ana", external_id="once")
        assert types_of(made).count("conversion.recorded") == 1

    def test_nobody_subscribed_costs_one_query_and_many_facts_no_more(self, cast: Cast) -> None:
        with transaction():
            for number in range(3):
                bring(cast.north.id, code="ana", external_id=f"o-{number}")
            with statements() as heard:
                announcing.leave_messages()
        assert len(heard) == 1
        with transaction(), statements() as heard:
            announcing.leave_messages()
        assert heard == []

    def test_many_facts_are_told_with_as_few_queries_as_one(self, cast: Cast, made: Made) -> None:
        counts = []
        for many in (1, 12):
            with transaction():
                for number in range(many):
                    bring(cast.north.id, code="ana", external_id=f"o-{many}-{number}")
                with statements() as heard:
                    announcing.leave_messages()
                counts.append(len(heard))
        assert counts[1] <= counts[0] + 1
        assert types_of(made).count("conversion.recorded") == 13


def test_docs_have_an_example_of_every_type_that_is_as_the_type_says() -> None:
    text = DOCS.read_text()
    examples = [json.loads(each) for each in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    by_type = {each["type"]: each for each in examples if "type" in each}
    assert set(by_type) == set(BY_NAME)
    for name, example in by_type.items():
        BY_NAME[name].message.model_validate(example)
        assert set(example["data"]) == set(BY_NAME[name].model.model_fields), name
        assert BY_NAME[name].says in text


def test_every_type_has_a_name_of_its_own_and_a_schema() -> None:
    assert len(BY_NAME) == len(TYPES)
    schemas = [each.message.model_json_schema() for each in TYPES]
    assert len({each["title"] for each in schemas}) == len(TYPES)
    assert schemas[0]["properties"]["type"]["const"] == "application.submitted"
