"""Perks for points: stock and points are never below nothing, what is declined comes back, and the books know it all."""

import re
import threading
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlmodel import col, select

from advocates.membership import Membership
from core.clock import at, now
from core.db import session, transaction
from core.errors import Forbidden, NotFound
from core.money import POINTS
from core.outbox import OutboxMessage
from core.people import Person
from hub import actions
from hub.metrics import value_of
from hub.programmes import Programme
from referrals.fraud import fraud_cases, fraud_work
from referrals.fraud.fraud_cases import FraudCase
from rewards import grants
from rewards.ledger import ledger, proof
from rewards.perks import perk_orders, perks, points
from rewards.perks.perk_orders import AlreadyAnswered, NoReason, NotSent, OwnOrder, PerkOrder, TooFewPoints
from rewards.perks.perks import Perk, PerkNotFound, SoldOut
from rewards.statements import statement_files, statements
from tests.factories import Cast, acting, make_advocate, sign_in
from tests.referrals.fraud_stories import case_of, odd
from tests.referrals.stories import bring, make_earner, make_link
from tests.rewards.stories import points_rule, sale


@pytest.fixture
def ana(cast: Cast) -> Membership:
    """An advocate with 100 points."""
    with transaction():
        points_rule(cast.programme, "sale", 100)
        made = make_advocate(cast.programme)
        sold = sale(made)
        grants.grant_for_conversion(sold.id)
        fraud_work.assess_now([sold.id])
        return made


def offered(cast: Cast, points: int = 60, stock: int = 5, **more: object) -> Perk:
    with transaction():
        return perks.offer(cast.programme, "A mug", points, stock, by=acting(cast.manager), **more)  # type: ignore[arg-type]  # columns


def ordered(perk: Perk, member: Membership, once: str = "once") -> PerkOrder:
    with transaction():
        return perk_orders.order(perks.get_perk(perk.id), member, once=once, wish="a blue one")


def points_of(member: Membership) -> int:
    with transaction(read_only=True):
        assert proof.problems() == []
        return ledger.balance(ledger.points(member.id), POINTS)


def stock_of(perk: Perk) -> int:
    with transaction(read_only=True):
        return perks.get_perk(perk.id).stock


def test_points_are_spent_on_a_perk_and_the_rank_stays(cast: Cast, ana: Membership) -> None:
    perk = offered(cast)
    ordered(perk, ana)
    assert (points_of(ana), stock_of(perk)) == (40, 4)
    with transaction(read_only=True):
        assert value_of("points", "all", ana.id) == 100
        (asked,) = actions.waiting_for(acting(cast.manager), kind="perk.send").items
        assert asked.summary == "A mug for Ana Advocate"


def test_the_same_form_orders_once(cast: Cast, ana: Membership) -> None:
    perk = offered(cast, points=10)
    assert ordered(perk, ana, "one").id == ordered(perk, ana, "one").id != ordered(perk, ana, "two").id
    assert (points_of(ana), stock_of(perk)) == (80, 3)


def test_nobody_spends_more_than_they_have(cast: Cast, ana: Membership) -> None:
    perk = offered(cast)
    ordered(perk, ana, "one")
    with pytest.raises(TooFewPoints):
        ordered(perk, ana, "two")
    assert (points_of(ana), stock_of(perk)) == (40, 4)


def test_points_of_an_order_that_somebody_looks_at_are_not_spent_yet(cast: Cast) -> None:
    with transaction():
        points_rule(cast.programme, "sale", 100)
        ana = make_earner(cast.programme)
        make_link(ana, "ana")
    perk, order = offered(cast, points=100), odd(cast.north, cast.marketing)
    case = case_of(order).id
    with transaction(read_only=True):
        assert (points.to_spend(ana.id), points.waiting(ana.id)) == (0, 100)
    with pytest.raises(TooFewPoints):
        ordered(perk, ana)
    with transaction():
        fraud_cases.clear(
            session().get_one(FraudCase, case), by=acting(cast.manager), reason="A colleague, for her aunt"
        )
    assert ordered(perk, ana).points == 100
    assert points_of(ana) == 0


def test_points_of_an_order_that_nobody_assessed_are_not_spent_yet(cast: Cast) -> None:
    with transaction():
        points_rule(cast.programme, "sale", 100)
        ana = make_earner(cast.programme)
        make_link(ana, "ana")
        bring(cast.north.id, code="ana")
        assert (points.to_spend(ana.id), points.waiting(ana.id)) == (0, 100)
    fraud_work.assess_due()
    with transaction(read_only=True):
        assert (points.to_spend(ana.id), points.waiting(ana.id)) == (100, 0)


def test_points_of_a_shared_order_are_spent_by_nobody_before_it_is_assessed_or_while_a_review_is_open(
    cast: Cast,
) -> None:
    with transaction():
        points_rule(cast.programme, "sale", 100)
        session().get_one(Programme, cast.programme.id).attribution_rule = "split"
        both = make_earner(cast.programme), make_earner(cast.programme, "Bo Advocate")
        make_link(both[0], "ana")
        make_link(both[1], "bob", coupon="BOB10")
        bring(cast.north.id, code="ana", coupon="BOB10")
    with transaction(read_only=True):
        assert [points.to_spend(each.id) for each in both] == [0, 0]
    fraud_work.assess_due()
    with transaction(read_only=True):
        assert [points.to_spend(each.id) for each in both] == [50, 50]


def test_what_is_sold_out_over_or_withdrawn_cannot_be_had(cast: Cast, ana: Membership) -> None:
    none, over = offered(cast, stock=0), offered(cast, ends_at=now() + timedelta(days=1))
    gone = offered(cast)
    with transaction():
        perks.withdraw(perks.get_perk(gone.id), by=acting(cast.manager))
    with at(now() + timedelta(days=2)):
        for perk in (none, over, gone):
            with pytest.raises(SoldOut):
                ordered(perk, ana)
    assert points_of(ana) == 100


def test_another_programmes_perk_is_not_there(cast: Cast, ana: Membership) -> None:
    with transaction():
        other = perks.offer(cast.other_programme, "A hat", 1, 1, by=acting(cast.hub_admin))
    with pytest.raises(PerkNotFound):
        ordered(other, ana)


def test_at_once_neither_stock_nor_points_go_below_nothing(cast: Cast, ana: Membership) -> None:
    perk = offered(cast, points=40, stock=5)
    refused: list[Exception] = []

    def order(number: int) -> None:
        try:
            ordered(perk, ana, f"form {number}")
        except (SoldOut, TooFewPoints) as error:
            refused.append(error)

    threads = [threading.Thread(target=order, args=(each,)) for each in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(refused) == 4
    assert (points_of(ana), stock_of(perk)) == (20, 3)


def test_sent_is_told_with_the_words_and_declined_gives_everything_back(cast: Cast, ana: Membership) -> None:
    perk = offered(cast, points=30)
    first, second = ordered(perk, ana, "one"), ordered(perk, ana, "two")
    with transaction():
        manager = acting(cast.manager)
        perk_orders.send(perk_orders.get_order(first.id), by=manager, said="Parcel 17")
        with pytest.raises(NoReason):
            perk_orders.decline(perk_orders.get_order(second.id), by=manager, reason=" ")
        perk_orders.decline(perk_orders.get_order(second.id), by=manager, reason="Broken on the way")
    with pytest.raises(AlreadyAnswered), transaction():
        perk_orders.decline(perk_orders.get_order(second.id), by=manager, reason="again")
    assert (points_of(ana), stock_of(perk)) == (70, 4)
    with transaction(read_only=True):
        left = select(OutboxMessage).where(col(OutboxMessage.kind) == "mail").order_by(col(OutboxMessage.id))
        mails = session().exec(left).all()
        told = [each.content["text"] for each in mails if "mug" in each.content["subject"]]
        assert ["Parcel 17" in told[0], "Broken on the way" in told[1]] == [True, True]
        assert actions.waiting_for(manager, kind="perk.send").items == []


def test_what_was_sent_and_came_back_gives_everything_back_once(cast: Cast, ana: Membership) -> None:
    perk = offered(cast)
    made = ordered(perk, ana)
    with transaction():
        perk_orders.send(perk_orders.get_order(made.id), by=acting(cast.manager))
    with transaction():
        with pytest.raises(NoReason):
            perk_orders.come_back(perk_orders.get_order(made.id), by=acting(cast.manager), reason=" ")
        with pytest.raises(Forbidden):
            perk_orders.come_back(perk_orders.get_order(made.id), by=acting(cast.finance), reason="x")
        perk_orders.come_back(perk_orders.get_order(made.id), by=acting(cast.manager), reason="Not at home.")
        with pytest.raises(NotSent):
            perk_orders.come_back(perk_orders.get_order(made.id), by=acting(cast.manager), reason="again")
    assert (points_of(ana), stock_of(perk)) == (100, 5)
    with transaction(read_only=True):
        mails = session().exec(select(OutboxMessage).where(OutboxMessage.subject == made.id)).all()
        points_back = {
            each.content["subject"]: "Your points are back." in each.content["text"] for each in mails
        }
    assert points_back == {"On its way: A mug": False, "A mug came back to us": True}


def test_who_may_not_answer(cast: Cast, ana: Membership) -> None:
    made = ordered(offered(cast), ana)
    for person, refusal in (
        (cast.stranger, NotFound),
        (cast.other_manager, NotFound),
        (cast.finance, Forbidden),
    ):
        with pytest.raises(refusal), transaction():
            perk_orders.send(perk_orders.get_order(made.id), by=acting(person))


def test_nobody_answers_their_own_order(cast: Cast, ana: Membership) -> None:
    made = ordered(offered(cast), ana)
    with transaction():
        own = acting(cast.manager)
        row = session().get_one(Membership, ana.id)
        row.person_id = cast.manager.id
        session().add(row)
    with pytest.raises(OwnOrder), transaction():
        perk_orders.send(perk_orders.get_order(made.id), by=own)


def test_the_statement_shows_what_points_were_spent_on(cast: Cast, ana: Membership) -> None:
    ordered(offered(cast), ana)
    with transaction(read_only=True):
        found = statements.statement(ana, statements.months_of(ana)[0])
        text = statement_files.as_table(found, ana).decode()
    (account,) = [each for each in found.accounts if each.currency == POINTS]
    assert (account.total("points.spent").amount_minor, account.closing.amount_minor) == (-60, 40)
    assert "spent,A mug" in text


def figures(page: str) -> dict[str, str]:
    """What a page calls its figures → the figure, with the note beneath."""
    shown = re.findall(
        r'<p class="eyebrow">([^<]*)</p><div class="figure">([^<]*)</div>(?:<div class="note">([^<]*)</div>)?',
        page,
    )
    return {name: f"{value} {note}".strip() for name, value, note in shown if "oint" in f"{name}{note}"}


def test_points_have_one_name_each_wherever_they_are_counted(cast: Cast, client: FlaskClient) -> None:
    with transaction():
        session().get_one(Programme, cast.programme.id).compensation = "perks"
        points_rule(cast.programme, "sale", 100)
        ana = make_earner(cast.programme)
        make_link(ana, "ana")
        bring(cast.north.id, code="ana")
        buyer = session().get_one(Person, ana.person_id)
    fraud_work.assess_due()
    ordered(offered(cast), ana)
    with transaction():
        bring(cast.north.id, code="ana", external_id="later")  # 100 more, which nobody has assessed
    sign_in(client, buyer)
    told = {
        "Points earned": "200 ranks and tiers count these",
        "Points to spend": "40 100 more once somebody has looked at them",
    }
    assert figures(client.get("/portal/rewards").text) == told
    assert figures(client.get("/portal/rewards/store").text) == told
    assert figures(client.get("/portal").text) == {"Points earned": "200 last month 0"}


def test_the_last_day_of_a_perk_is_told_in_the_zone_of_its_programme(
    cast: Cast, ana: Membership, client: FlaskClient
) -> None:
    with transaction():
        session().get_one(Programme, cast.programme.id).time_zone = "Asia/Tokyo"
        buyer = session().get_one(Person, ana.person_id)
    offered(cast, ends_at=datetime(2999, 5, 4, 20, 30, tzinfo=UTC))
    for person, address in ((cast.manager, "/console/rewards/perks"), (buyer, "/portal/rewards/store")):
        sign_in(client, person)
        assert "until 5 May 2999, 05:30" in client.get(address).text


def test_an_advocate_orders_and_the_manager_sends_in_the_browser(
    cast: Cast, ana: Membership, client: FlaskClient
) -> None:
    sign_in(client, cast.manager)
    wanted = {"programme_id": cast.programme.id, "name": "A mug", "points": "60", "stock": "2"}
    assert client.post("/console/rewards/perks", data=wanted).status_code == 303
    assert "A mug" in client.get("/console/rewards/perks").text
    with transaction(read_only=True):
        person, perk = ana.person_id, session().exec(select(Perk)).one()
        buyer = session().get_one(type(cast.manager), person)
    sign_in(client, buyer)
    assert "A mug" in client.get("/portal/rewards/store").text
    data = {"perk_id": perk.id, "once": "a" * 26, "wish": "To the office"}
    assert client.post("/portal/rewards/store", data=data).status_code == 303
    refused = client.post("/portal/rewards/store", data={**data, "once": "b" * 26})
    assert (refused.status_code, "You do not have enough points" in refused.text) == (409, True)
    sign_in(client, cast.manager)
    page = client.get("/console/rewards/perks").text
    assert "To the office" in page
    with transaction(read_only=True):
        order = session().exec(select(PerkOrder)).one()
    answer = client.post(
        f"/console/rewards/perks/orders/{order.id}", data={"act": "send", "said": "Parcel 17"}
    )
    assert answer.status_code == 303
    for other in (cast.stranger, cast.other_manager):
        sign_in(client, other)
        assert "To the office" not in client.get("/console/rewards/perks?state=sent").text
    assert client.post(f"/console/rewards/perks/{perk.id}", data={"act": "withdraw"}).status_code == 404
