import threading
from datetime import timedelta

import pytest
from sqlmodel import select

from advocates.membership import change_standing
from core import db, events
from core.access import COMMAND
from core.clock import at, day_number, now
from core.people import get_person
from core.settings import Settings
from curriculum.certification import revoke
from hub import metrics
from referrals.clicks import clicks, tokens
from referrals.conversions import conversions
from referrals.conversions.conversion_input import NewConversion
from referrals.conversions.conversions import (
    Conversion,
    ConversionDiffers,
    ConversionRecorded,
    RefundRecorded,
    candidates_of,
)
from referrals.conversions.refunds import RefundDiffers, RefundTooLarge, refunds_of
from referrals.conversions.touches import email_hash
from referrals.links import links
from referrals.links.links import Link
from tests.factories import Cast, make_advocate
from tests.referrals.stories import Visitors, bring, certify, give_back, make_earner, make_link, order

DAY = timedelta(days=1)


@pytest.fixture
def link(cast: Cast) -> Link:
    metrics.metric_from("leads", conversions.facts_leads)
    metrics.metric_from("sales", conversions.facts_sales)
    metrics.metric_from("revenue", conversions.facts_revenue)
    with db.transaction():
        return make_link(make_earner(cast.programme), "ana", coupon="ANA10")


def scored(link: Link) -> tuple[int, int, int]:
    """Leads, sales and revenue of a link's owner; the facts agree."""
    assert metrics.differences() == []
    names = ("leads", "sales", "revenue:EUR")
    leads, sales, revenue = (metrics.value_of(name, "all", link.membership_id) for name in names)
    return leads, sales, revenue


def verdicts(conversion: Conversion) -> list[str]:
    return [each.verdict for each in candidates_of([conversion.id])[conversion.id]]


def test_an_order_with_a_click_is_won_before_the_click_is_in_the_database(
    cast: Cast, visitors: Visitors, link: Link
) -> None:
    token = visitors.click("ana").token
    with db.transaction():
        sale = bring(cast.north.id, click=token)
        assert sale.link_id == link.id
        assert sale.reason.startswith("won: last click on ana")
        assert scored(link) == (0, 1, 12_900)
    assert clicks.ingest() == 1


def test_a_lead_scores_as_a_lead(cast: Cast, link: Link) -> None:
    with db.transaction():
        bring(cast.north.id, kind="lead", amount_minor=None, currency=None, code="ANA")
        assert scored(link) == (1, 0, 0)


def test_code_and_coupon_are_found_whatever_their_case(cast: Cast, link: Link) -> None:
    with db.transaction():
        assert bring(cast.north.id, code="Ana").link_id == link.id
        assert bring(cast.north.id, coupon="ana10").link_id == link.id
        assert bring(cast.north.id, code="nobody").reason == "nobody's: no link with this code"


def test_a_forged_token_is_kept_as_not_ours(cast: Cast, visitors: Visitors, link: Link) -> None:
    token = visitors.click("ana").token
    with db.transaction():
        sale = bring(cast.north.id, click=token[:-4] + "0000")
        assert (sale.membership_id, verdicts(sale)) == (None, ["token not ours"])
        assert scored(link) == (0, 0, 0)


def test_a_link_of_another_unit_wins_nothing_and_tells_nothing(
    cast: Cast, visitors: Visitors, link: Link
) -> None:
    token = visitors.click("ana").token
    with db.transaction():
        sale = bring(cast.south.id, click=token, code="ana", coupon="ANA10")
        assert sale.membership_id is None
        assert set(verdicts(sale)) == {"link of another unit"}
        assert all(each.membership_id is None for each in candidates_of([sale.id])[sale.id])


def test_the_hubs_shop_brings_to_every_unit(cast: Cast, link: Link) -> None:
    with db.transaction():
        sale = bring(cast.hub.id, code="ana")
        assert (sale.membership_id, sale.earning_unit_id) == (link.membership_id, cast.north.id)
        assert scored(link) == (0, 1, 12_900)


def test_an_advocate_who_lapsed_after_the_click_has_earned_it(
    cast: Cast, visitors: Visitors, link: Link
) -> None:
    token = visitors.click("ana").token
    with at(now() + DAY), db.transaction():
        from advocates.membership import get_membership

        change_standing(get_membership(link.membership_id), "alumni", by=COMMAND, reason="moved on")
    with at(now() + 2 * DAY), db.transaction():
        assert bring(cast.north.id, click=token).link_id == link.id
        coupon = bring(cast.north.id, coupon="ANA10")
        assert verdicts(coupon) == ["the advocate had no right to earn then: term"]


def test_a_certificate_that_ended_before_the_click_earns_nothing(cast: Cast, settings: Settings) -> None:
    with db.transaction():
        member = make_advocate(cast.programme, "Ben")
        award = certify(member)
        make_link(member, "ben")
    visitors = Visitors(settings)
    early = visitors.click("ben").token
    with at(now() + DAY):
        with db.transaction():
            revoke(award, "other", by=COMMAND)
        late = visitors.click("ben").token
    visitors.leave()
    with at(now() + DAY + timedelta(hours=1)), db.transaction():
        assert bring(cast.north.id, click=early).membership_id == member.id
        sale = bring(cast.north.id, click=late)
        assert verdicts(sale) == ["the advocate had no right to earn then: certification"]


def test_a_link_that_ended_after_the_click_changes_nothing_for_it(
    cast: Cast, visitors: Visitors, link: Link
) -> None:
    token = visitors.click("ana").token
    with at(now() + DAY), db.transaction():
        links.end_link(links.get_link("ana"), by=COMMAND)
        assert bring(cast.north.id, click=token).link_id == link.id
        assert verdicts(bring(cast.north.id, code="ana")) == ["the link did not run then"]


def test_a_customer_stays_the_advocates_who_brought_them(cast: Cast, link: Link) -> None:
    with db.transaction():
        bring(cast.north.id, code="ana", customer={"external_id": "c-1"})
    with at(now() + 60 * DAY), db.transaction():
        again = bring(cast.north.id, customer={"external_id": "c-1"})
        assert again.reason == "won: known customer, last brought by ana"
        assert bring(cast.north.id, customer={"external_id": "c-2"}).membership_id is None
        assert bring(cast.south.id, customer={"external_id": "c-1"}).membership_id is None


def test_an_own_purchase_earns_nothing(cast: Cast, link: Link) -> None:
    with db.transaction():
        from advocates.membership import get_membership

        email = get_person(get_membership(link.membership_id).person_id).email
        sale = bring(cast.north.id, code="ana", customer={"email_sha256": email_hash(f" {email.upper()}")})
        assert (sale.membership_id, verdicts(sale)) == (None, ["own purchase"])


def test_the_same_order_again_is_the_same_row_and_other_content_is_a_conflict(cast: Cast, link: Link) -> None:
    body = order(code="ana")
    with db.transaction():
        first, new = conversions.record(NewConversion(**body), by=COMMAND, unit_id=cast.north.id)
        assert new
    with at(now() + 365 * DAY), db.transaction():
        again, new = conversions.record(NewConversion(**body), by=COMMAND, unit_id=cast.north.id)
        assert (again.id, new) == (first.id, False)
        with pytest.raises(ConversionDiffers):
            conversions.record(
                NewConversion(**{**body, "amount_minor": 1}), by=COMMAND, unit_id=cast.north.id
            )
        assert scored(link) == (0, 1, 12_900)


def test_the_same_moment_in_another_zone_is_the_same_content(cast: Cast, link: Link) -> None:
    body = order(code="ana", occurred_at="2026-11-02T10:15:00Z")
    with db.transaction():
        bring(cast.north.id, **body)
        bring(cast.north.id, **{**body, "occurred_at": "2026-11-02T11:15:00+01:00"})
        assert len(db.session().exec(select(Conversion)).all()) == 1


def test_the_same_order_of_two_units_side_by_side_is_two_orders(cast: Cast, link: Link) -> None:
    body = order(code="ana")
    with db.transaction():
        assert bring(cast.north.id, **body).id != bring(cast.south.id, **body).id


@pytest.mark.parametrize("hub_first", [True, False])
def test_the_same_order_told_by_a_unit_and_by_the_hub_is_one(
    cast: Cast, link: Link, *, hub_first: bool
) -> None:
    units = [cast.hub.id, cast.north.id] if hub_first else [cast.north.id, cast.hub.id]
    new = NewConversion(**order(code="ana"))
    with db.transaction():
        told = [conversions.record(new, by=COMMAND, unit_id=each) for each in units]
        assert [is_new for _, is_new in told] == [True, False]
        assert told[0][0].id == told[1][0].id
        assert scored(link) == (0, 1, 12_900)


def test_an_order_of_the_hub_with_other_content_is_another_order(cast: Cast, link: Link) -> None:
    body = order(code="ana")
    with db.transaction():
        bring(cast.north.id, **body)
        bring(cast.hub.id, **{**body, "amount_minor": 100})
        assert scored(link) == (0, 2, 13_000)


@pytest.mark.parametrize("hub_first", [True, False])
def test_one_order_told_by_a_unit_and_by_the_hub_in_other_words_is_no_second_credit(
    cast: Cast, link: Link, *, hub_first: bool
) -> None:
    units = [cast.hub, cast.north] if hub_first else [cast.north, cast.hub]
    with db.transaction():
        bring(units[0].id, external_id="o-1", code="ana", metadata={"from": "the till"})
    with db.transaction(), pytest.raises(ConversionDiffers):
        bring(units[1].id, external_id="o-1", code="ana", metadata={"from": "the books"})
    with db.transaction(read_only=True):
        assert scored(link) == (0, 1, 12_900)


def test_a_neighbour_is_not_told_that_the_hub_sold_under_that_number(cast: Cast, link: Link) -> None:
    with db.transaction():
        bring(cast.hub.id, external_id="o-1", code="ana")
        assert bring(cast.south.id, external_id="o-1", code="ana").membership_id is None
        assert scored(link) == (0, 1, 12_900)


def test_the_same_order_told_by_a_unit_and_the_hub_at_once_is_one(cast: Cast, link: Link) -> None:
    orders = [NewConversion(**order(code="ana")) for _ in range(10)]
    stored: list[bool] = []

    def tell(unit_id: str) -> None:
        for new in orders:
            with db.transaction():
                stored.append(conversions.record(new, by=COMMAND, unit_id=unit_id)[1])

    threads = [threading.Thread(target=tell, args=(each.id,)) for each in (cast.hub, cast.north) * 3]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (len(stored), sum(stored)) == (60, 10)
    with db.transaction(read_only=True):
        assert scored(link) == (0, 10, 129_000)


def test_many_posts_of_the_same_order_at_once_are_one(cast: Cast, link: Link) -> None:
    new = NewConversion(**order(code="ana"))
    answers: list[tuple[str, bool]] = []

    def post() -> None:
        for _ in range(10):
            with db.transaction():
                row, is_new = conversions.record(new, by=COMMAND, unit_id=cast.north.id)
                answers.append((row.id, is_new))

    threads = [threading.Thread(target=post) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(answers) == 80
    assert len({row for row, _ in answers}) == 1
    assert sum(is_new for _, is_new in answers) == 1
    with db.transaction(read_only=True):
        assert scored(link) == (0, 1, 12_900)


def test_only_what_somebody_won_is_announced(cast: Cast, link: Link) -> None:
    heard: list[str] = []
    events.when(ConversionRecorded, lambda event: heard.append(event.conversion_id))
    with db.transaction():
        won = bring(cast.north.id, code="ana")
        bring(cast.north.id, code="nobody")
    assert heard == [won.id]


def test_refunds_take_revenue_back_on_their_day_and_the_sale_when_all_is_gone(cast: Cast, link: Link) -> None:
    with db.transaction():
        bring(cast.north.id, external_id="o-1", code="ana")
    with at(now() + DAY), db.transaction():
        give_back(cast.north.id, "o-1", 2_900)
        assert scored(link) == (0, 1, 10_000)
    with at(now() + 2 * DAY), db.transaction():
        last = give_back(cast.north.id, "o-1", 10_000)
        assert last.completes
        assert scored(link) == (0, 0, 0)
        today = metrics.SeriesPoint
        point = db.session().get(today, ("revenue:EUR", cast.north.id, day_number(now())))
        assert point is not None
        assert point.value == -10_000


def test_refunds_are_never_more_than_the_sale(cast: Cast, link: Link) -> None:
    with db.transaction():
        bring(cast.north.id, external_id="o-1", code="ana")
        give_back(cast.north.id, "o-1", 12_000)
    with pytest.raises(RefundTooLarge), db.transaction():
        give_back(cast.north.id, "o-1", 901)
    with db.transaction():
        give_back(cast.north.id, "o-1", 900)
        assert scored(link) == (0, 0, 0)


def test_a_refund_before_its_sale_waits_for_it(cast: Cast, link: Link) -> None:
    heard: list[str] = []
    events.when(RefundRecorded, lambda event: heard.append(event.refund_id))
    with db.transaction():
        parked = give_back(cast.north.id, "late", 2_900)
        too_much = give_back(
            cast.north.id, "late", 12_000, occurred_at=(now() + timedelta(hours=1)).isoformat()
        )
        assert (parked.state, heard) == ("parked", [])
    with db.transaction():
        sale = bring(cast.north.id, external_id="late", code="ana")
        states = {each.id: each.state for each in refunds_of(sale.id)}
        assert states == {parked.id: "applied", too_much.id: "refused"}
        assert heard == [parked.id]
        assert scored(link) == (0, 1, 10_000)


def test_the_same_refund_again_takes_nothing_more(cast: Cast, link: Link) -> None:
    with db.transaction():
        bring(cast.north.id, external_id="o-1", code="ana")
        moment = now().isoformat()
        one = give_back(cast.north.id, "o-1", 2_900, external_id="r-1", occurred_at=moment)
        assert give_back(cast.north.id, "o-1", 2_900, external_id="r-1", occurred_at=moment).id == one.id
        with pytest.raises(RefundDiffers):
            give_back(cast.north.id, "o-1", 3_000, external_id="r-1", occurred_at=moment)
        assert scored(link) == (0, 1, 10_000)


def test_refunds_at_once_cannot_both_take_the_rest(cast: Cast, link: Link) -> None:
    with db.transaction():
        bring(cast.north.id, external_id="o-1", code="ana")
    outcomes: list[str] = []

    def give(number: int) -> None:
        try:
            with db.transaction():
                give_back(cast.north.id, "o-1", 5_000, external_id=f"r-{number}")
        except RefundTooLarge:
            outcomes.append("refused")
        else:
            outcomes.append("applied")

    threads = [threading.Thread(target=give, args=(number,)) for number in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(outcomes) == ["applied"] * 2 + ["refused"] * 4
    with db.transaction(read_only=True):
        assert scored(link) == (0, 1, 2_900)


def test_a_token_tells_the_end_of_its_millisecond(settings: Settings) -> None:
    key = tokens.signing_key(settings.secret)
    facts = tokens.verify(tokens.sign("0" * 26, "ana", 1_000, key))
    assert facts is not None
    assert facts.at.microsecond == 999
