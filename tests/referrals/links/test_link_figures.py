from datetime import timedelta

from core import db
from core.clock import at, day_number, now
from core.money import Money
from referrals.clicks.clicks import store
from referrals.clicks.journal_lines import ClickRecord, fields_of
from referrals.links.link_figures import figures_of
from tests.factories import Cast
from tests.referrals.stories import bring, give_back, make_earner, make_link


def test_a_links_days_hold_clicks_conversions_and_what_is_left_of_the_revenue(cast: Cast) -> None:
    today = now()
    yesterday = today - timedelta(days=1)
    with at(today - timedelta(days=40)), db.transaction():
        member = make_earner(cast.programme)
        link, other = make_link(member, "ana"), make_link(member, "other")
        whose = (link.unit_id, link.membership_id, link.id, day_number(yesterday))
        bring(cast.north.id, code="ana")  # too long ago for the first span
    with db.transaction():
        came = [ClickRecord(*whose, True, "mobile", "", "", "", "", f"{n:026d}") for n in range(3)]
        store([fields_of(each).encode() for each in came])
        when = yesterday.isoformat()
        bring(cast.north.id, code="ana", external_id="a", occurred_at=when)
        bring(cast.north.id, code="ana", external_id="b", occurred_at=when)
        bring(cast.north.id, code="ana", external_id="c", occurred_at=today.isoformat(), currency="USD")
        bring(cast.north.id, code="ana", kind="lead", amount_minor=None, currency=None)
        bring(cast.north.id, code=other.code)
        give_back(cast.north.id, "a", 2_900, occurred_at=today.isoformat())
        give_back(cast.north.id, "b", 12_900, occurred_at=today.isoformat())
    with db.transaction(read_only=True):
        found, longer = figures_of(link.id, 28), figures_of(link.id, 90)
    assert len(found.days) == len(found.clicks) == len(found.leads) == 28
    assert (found.clicks[-2:], found.handheld) == ([3, 0], 3)
    assert (found.sales[-2:], found.leads[-2:]) == ([1, 1], [0, 1])
    assert found.revenue["EUR"][-2:] == [Money(10_000, "EUR"), Money(0, "EUR")]
    assert found.sums == {"EUR": Money(10_000, "EUR"), "USD": Money(12_900, "USD")}
    assert sum(longer.sales) == 3
