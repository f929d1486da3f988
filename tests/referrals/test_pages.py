import re

import pytest
from flask.testing import FlaskClient

from advocates.membership import Membership, get_membership
from core import db
from core.access import COMMAND
from core.people import Person, get_person
from referrals.conversions import refunds
from referrals.links.links import Link, end_link, find_link, links_of
from rewards.reward import rewards_of_conversion
from tests.factories import Cast, make_advocate, sign_in
from tests.referrals.stories import bring, give_back, make_earner, make_link
from tests.rewards.stories import percent_rule


@pytest.fixture
def link(cast: Cast) -> Link:
    with db.transaction():
        return make_link(make_earner(cast.programme), "ana", coupon="ANA10")


def owner(member_id: str) -> Person:
    with db.transaction(read_only=True):
        return get_person(get_membership(member_id).person_id)


def trainee(cast: Cast) -> Membership:
    with db.transaction():
        return make_advocate(cast.programme, "Tina Trainee")


def test_an_advocate_sees_links_figures_words_and_reasons(
    cast: Cast, client: FlaskClient, link: Link
) -> None:
    with db.transaction():
        bring(cast.north.id, code="ana")
    sign_in(client, owner(link.membership_id))
    page = client.get("/portal/links")
    assert page.status_code == 200
    assert "/r/ana" in page.text
    assert f"/portal/links/{link.id}/share" in page.text
    assert "won: code ana" in page.text
    assert "style=" not in page.text
    assert "<script>" not in page.text


def test_a_trainee_is_told_what_is_missing(cast: Cast, client: FlaskClient) -> None:
    sign_in(client, owner(trainee(cast).id))
    page = client.get("/portal/links")
    assert "/portal/learn" in page.text
    refused = client.post("/portal/links", data={"code": "tina"})
    assert refused.status_code == 409
    assert "certification" in refused.text


def test_an_advocate_opens_and_ends_a_link(cast: Cast, client: FlaskClient, link: Link) -> None:
    sign_in(client, owner(link.membership_id))
    opened = client.post("/portal/links", data={"code": "Spring", "campaign": "spring fair"})
    assert opened.status_code == 303
    with db.transaction(read_only=True):
        new = find_link("spring")
        assert new is not None
        assert new.campaign == "spring fair"
    assert client.post(f"/portal/links/{new.id}/end").status_code == 303
    assert client.post(f"/portal/links/{new.id}/end").status_code == 409


def test_many_links_are_told_apart_and_all_of_them_found(cast: Cast, client: FlaskClient, link: Link) -> None:
    with db.transaction():
        member = get_membership(link.membership_id)
        held = [make_link(member, f"more-{place}") for place in range(6)]
        held.append(make_link(member, "fair", campaign="spring fair"))
        end_link(held[0], by=COMMAND)
        other = make_link(make_earner(cast.programme, "Bea Other"), "bea")
    sign_in(client, owner(link.membership_id))
    page = client.get("/portal/links").text
    shown = {each.code for each in held if f"/portal/links/{each.id}/share" in page}
    assert shown == {"fair", "more-5", "more-4", "more-3", "more-2"}
    assert "Link more-5<" in page
    assert "spring fair<" in page
    assert 'href="/portal/links/all"' in page
    every = client.get("/portal/links/all").text
    assert all(f'href="/portal/links/{each.id}"' in every for each in (*held, link))
    assert other.id not in every
    fair = client.get("/portal/links/all?q=spring").text
    assert (held[-1].id in fair, held[1].id in fair) == (True, False)
    ended = client.get("/portal/links/all?state=ended").text
    assert (held[0].id in ended, held[1].id in ended) == (True, False)
    assert "Nothing fits" in client.get("/portal/links/all?q=bea").text
    assert client.get("/portal/links/all?after=x").status_code == 400


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"code": "ana"}, 409),
        ({"code": "a b"}, 422),
        ({"destination": "https://evil.example/"}, 422),
        ({"destination": "javascript:alert(1)"}, 422),
        ({"campaign": "<b>"}, 422),
        ({"campaign": "x" * 61}, 422),
        ({"membership_id": "x"}, 422),
    ],
)
def test_what_a_link_cannot_be_comes_back_with_a_sentence(
    client: FlaskClient, link: Link, form: dict[str, str], status: int
) -> None:
    with db.transaction(read_only=True):
        before = len(links_of(link.membership_id))
    sign_in(client, owner(link.membership_id))
    answer = client.post("/portal/links", data=form)
    assert answer.status_code == status
    assert "form-errors" in answer.text
    with db.transaction(read_only=True):
        assert len(links_of(link.membership_id)) == before


def test_the_qr_code_is_a_picture_of_ones_own_link(cast: Cast, client: FlaskClient, link: Link) -> None:
    sign_in(client, owner(link.membership_id))
    answer = client.get(f"/portal/links/{link.id}/qr.svg")
    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
    assert answer.data.startswith(b"<?xml")
    client.post("/logout")
    with db.transaction():
        other = make_earner(cast.programme, "Bea Other")
    sign_in(client, owner(other.id))
    assert client.get(f"/portal/links/{link.id}/qr.svg").status_code == 404
    assert client.post(f"/portal/links/{link.id}/end").status_code == 404


def test_the_portal_is_for_advocates(cast: Cast, client: FlaskClient) -> None:
    pages = ("/portal/links", "/portal/links/all")
    assert [client.get(each).status_code for each in pages] == [302, 302]
    sign_in(client, cast.stranger)
    assert [client.get(each).status_code for each in pages] == [403, 403]


def test_an_unknown_code_has_a_page_of_its_own(cast: Cast, client: FlaskClient) -> None:
    page = client.get("/r/nobody")
    assert page.status_code == 404
    assert "leads nowhere" in page.text
    assert "<b>" not in client.get("/r/<b>x").text


def test_staff_see_their_units_links_and_end_them(cast: Cast, client: FlaskClient, link: Link) -> None:
    sign_in(client, cast.manager)
    page = client.get("/console/links?q=AN&state=runs")
    assert page.status_code == 200
    assert "ana" in page.text
    assert "Ana Advocate" in page.text
    assert "Nothing fits" in client.get("/console/links?q=zzz").text
    assert "Nothing fits" in client.get("/console/links?state=ended").text
    assert client.get("/console/links?state=odd").status_code == 422
    assert client.post(f"/console/links/{link.id}/end").status_code == 303


def test_another_units_manager_sees_no_link(cast: Cast, client: FlaskClient, link: Link) -> None:
    sign_in(client, cast.other_manager)
    assert "No links yet" in client.get("/console/links").text
    assert client.post(f"/console/links/{link.id}/end").status_code == 404


def test_marketing_reads_links_and_ends_none(cast: Cast, client: FlaskClient, link: Link) -> None:
    sign_in(client, cast.marketing)
    page = client.get("/console/links")
    assert "ana" in page.text
    assert f"/console/links/{link.id}/end" not in page.text
    assert client.post(f"/console/links/{link.id}/end").status_code == 403


def test_a_stranger_gets_nowhere(cast: Cast, client: FlaskClient, link: Link) -> None:
    with db.transaction():
        sale = bring(cast.north.id, code="ana")
    sign_in(client, cast.stranger)
    for path in ("/console/links", "/console/conversions", f"/console/conversions/{sale.id}"):
        assert client.get(path).status_code == 403
    assert client.post(f"/console/links/{link.id}/end").status_code == 403


def test_a_conversion_shows_whose_it_might_have_been(cast: Cast, client: FlaskClient, link: Link) -> None:
    with db.transaction():
        sale = bring(
            cast.north.id,
            external_id="o-77",
            code="ana",
            coupon="NONE5",
            lines=[{"sku": "PRO", "amount_minor": 12_900}],
            metadata={"till": "7"},
        )
        give_back(cast.north.id, "o-77", 2_900, reason="broken")
    sign_in(client, cast.manager)
    listed = client.get("/console/conversions?whose=somebody&kind=sale&q=O-77")
    assert listed.status_code == 200
    assert "o-77" in listed.text
    page = client.get(f"/console/conversions/{sale.id}").text
    assert "won: code ana" in page
    assert "no link with this coupon" in page
    assert "broken" in page
    assert re.search(r"€\s?129\.00", page)
    assert "Nothing fits" in client.get("/console/conversions?whose=nobody").text


def test_a_conversion_shows_what_it_earned(cast: Cast, client: FlaskClient, link: Link) -> None:
    with db.transaction():
        percent_rule(cast.programme)
        sale = bring(cast.north.id, code="ana")
        give_back(cast.north.id, sale.external_id, 2_900)
    with db.transaction(read_only=True):
        (line,) = rewards_of_conversion(sale.id)
    sign_in(client, cast.manager)
    page = client.get(f"/console/conversions/{sale.id}").text
    assert f'href="/console/rewards/{line.id}"' in page
    assert re.search(r"€\s?10\.00", page)
    sign_in(client, cast.marketing)
    assert "What it earned" not in client.get(f"/console/conversions/{sale.id}").text, (
        "marketing sees no rewards"
    )


def test_another_units_manager_gets_no_conversion(cast: Cast, client: FlaskClient, link: Link) -> None:
    with db.transaction():
        sale = bring(cast.north.id, code="ana")
    sign_in(client, cast.other_manager)
    assert "No conversions yet" in client.get("/console/conversions").text
    assert client.get(f"/console/conversions/{sale.id}").status_code == 404


def test_a_sale_of_the_hubs_shop_is_seen_where_it_was_won(
    cast: Cast, client: FlaskClient, link: Link
) -> None:
    with db.transaction():
        sale = bring(cast.hub.id, code="ana")
    sign_in(client, cast.manager)
    assert client.get(f"/console/conversions/{sale.id}").status_code == 200


def test_a_conversions_page_tells_nothing_of_another_units_advocate(
    cast: Cast, client: FlaskClient, link: Link
) -> None:
    with db.transaction():
        make_link(make_earner(cast.other_programme, "Sofia South"), "sofia", coupon="SOFIA5")
        sale = bring(cast.hub.id, code="ana", coupon="SOFIA5")
    sign_in(client, cast.manager)
    page = client.get(f"/console/conversions/{sale.id}")
    assert page.status_code == 200
    assert "an advocate of another unit" in page.text
    assert "sofia" not in page.text.lower()


def test_a_refund_that_was_refused_is_put_before_the_manager_until_it_is_settled(
    cast: Cast, client: FlaskClient, link: Link
) -> None:
    with db.transaction():
        give_back(cast.north.id, "o-1", 12_901, external_id="r-17")
        give_back(cast.north.id, "o-1", 12_902, external_id="r-18")
        sale = bring(cast.north.id, external_id="o-1", code="ana")
    page, settle = f"/console/conversions/{sale.id}", f"/console/conversions/{sale.id}/refused-refunds"
    sign_in(client, cast.manager)
    assert "Refund r-17 of €129.01 is more than was left of o-1" in client.get("/console").text
    assert f"{page}#refunds" in client.get("/console").text
    assert settle in client.get(page).text
    for name, status in (("stranger", 403), ("other_manager", 404), ("finance", 403)):
        other = sign_in(client.application.test_client(), getattr(cast, name))
        assert other.post(settle).status_code == status
        assert settle not in other.get(page).text
    assert [client.post(settle).status_code for _ in range(2)] == [303, 303]
    assert settle not in client.get(page).text
    assert "r-17" not in client.get("/console").text


def test_a_refund_that_came_back_says_so(cast: Cast, client: FlaskClient, link: Link) -> None:
    with db.transaction():
        sale = bring(cast.north.id, external_id="o-1", code="ana")
        refunds.undo(give_back(cast.north.id, "o-1", 100))
    page = sign_in(client, cast.manager).get(f"/console/conversions/{sale.id}").text
    assert "came back: it failed, was taken back, or its dispute was won" in page
    assert "more than was left of the sale" not in page
