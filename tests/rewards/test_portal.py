import re
from datetime import timedelta

import httpx
import pytest
from flask.testing import FlaskClient

from advocates.membership import Membership
from core.clock import at, now
from core.db import session, transaction
from core.people import get_person
from hub.programmes import get_programme
from referrals.conversions.conversions import Conversion
from rewards import grants
from rewards.approvals import approvals
from rewards.payouts import accounts, payouts
from rewards.reward import get_reward
from rewards.statements import statements
from tests.factories import Cast, acting, make_advocate, sign_in
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stories import (
    approvable,
    approved,
    percent_rule,
    points_rule,
    ready_account,
    refund,
    reserved_payouts,
    sale,
    stripe_account,
)

ACCOUNT = "/portal/rewards/account"


@pytest.fixture
def ana(cast: Cast) -> Membership:
    with transaction():
        percent_rule(cast.programme)
        points_rule(cast.programme)
        return make_advocate(cast.programme)


@pytest.fixture
def advocate(ana: Membership, client: FlaskClient) -> FlaskClient:
    with transaction():
        person = get_person(ana.person_id)
    return sign_in(client, person)


def test_an_advocate_without_anything_is_told_what_to_do(advocate: FlaskClient) -> None:
    page = advocate.get("/portal/rewards")
    assert page.status_code == 200
    assert "Share your link" in page.text


def test_every_line_is_there_with_its_arithmetic_and_the_balances_by_state(
    cast: Cast, ana: Membership, advocate: FlaskClient
) -> None:
    approved(ana, cast.manager)
    with transaction():
        grants.grant_for_certification("award", ana.id)
    page = advocate.get("/portal/rewards").text
    assert "10 % of €129.00 = €12.90 (sale rule, version 1)" in page
    assert "The last click within 30 days" in page
    assert "50 points for each certification" in page
    assert "Tell us where to pay you" in page


def test_a_line_is_explained_with_its_rule_approval_postings_and_payout(
    cast: Cast, ana: Membership, advocate: FlaskClient
) -> None:
    reward_id = approved(ana, cast.manager)
    address = f"/portal/rewards/{reward_id}"
    assert f'href="{address}"' in advocate.get("/portal/rewards").text
    page = advocate.get(address).text
    for part in (
        "10 % of €129.00 = €12.90 (sale rule, version 1)",
        "10 % of each sale",
        "The last click within 30 days",
        "Approved by one person.",
        "In no payout yet.",
        "programme → waiting",
        "waiting → approved",
    ):
        assert part in page
    assert "Mara North" not in page  # who decided is the console's to know
    with transaction():
        ready_account(ana)
    reserved_payouts(cast.programme, by=cast.finance)
    page = advocate.get(address).text
    assert "approved → in a payout" in page
    assert "the whole payout" in page
    assert "In no payout yet." not in page


def test_a_denied_line_says_why_and_what_was_booked(
    cast: Cast, ana: Membership, advocate: FlaskClient
) -> None:
    denied = approvable(ana)
    with transaction():
        approvals.deny(get_reward(denied), by=acting(cast.manager), reason="A colleague bought it.")
    page = advocate.get(f"/portal/rewards/{denied}").text
    assert "A colleague bought it." in page
    assert "waiting → programme" in page
    assert advocate.get("/portal/rewards/" + "0" * 26).status_code == 404


def test_lines_of_other_advocates_are_not_found(cast: Cast, ana: Membership, client: FlaskClient) -> None:
    reward_id = approvable(ana)
    with transaction():
        bo = get_person(make_advocate(cast.programme, "Bo Other").person_id)
    sign_in(client, bo)
    assert client.get(f"/portal/rewards/{reward_id}").status_code == 404
    client.post("/logout")
    sign_in(client, cast.stranger)
    assert client.get(f"/portal/rewards/{reward_id}").status_code == 403
    client.post("/logout")
    sign_in(client, cast.other_manager)
    assert client.get(f"/portal/rewards/{reward_id}").status_code == 403


@pytest.mark.parametrize(("has_v2", "path"), [(True, "/v2/core/accounts"), (False, "/v1/accounts")])
def test_the_whole_way_from_set_up_to_statement(
    cast: Cast, ana: Membership, stripe: LocalStripe, advocate: FlaskClient, path: str, *, has_v2: bool
) -> None:
    stripe.order("platform", accounts_v2=has_v2)
    assert "Country of your bank" in advocate.get(ACCOUNT).text
    assert advocate.post(ACCOUNT, data={"country": "DE"}).location.startswith(f"{stripe.url}/onboarding/")
    assert advocate.post(ACCOUNT).location.startswith(f"{stripe.url}/onboarding/")
    assert stripe.calls("POST", path) - stripe.calls("POST", f"{path}/") == 1
    assert advocate.get(f"{ACCOUNT}/again").location.startswith(f"{stripe.url}/onboarding/")
    assert advocate.get(f"{ACCOUNT}/return").location == ACCOUNT  # came back without doing anything
    assert "not finished" in advocate.get(ACCOUNT).text
    with transaction():
        account = accounts.account_of(ana.person_id)
        assert account is not None
        assert not accounts.able(account)
    stripe.order(f"accounts/{account.stripe_account_id}/onboard")
    assert "not finished" in advocate.get(ACCOUNT).text  # nobody read it yet
    advocate.get(f"{ACCOUNT}/return")
    assert "All is well" in advocate.get(ACCOUNT).text
    reward_id = approved(ana, cast.manager)
    reserved_payouts(cast.programme, cast.finance)
    with at(now() + timedelta(seconds=2)):
        assert payouts.send_due() == 1
    with at(now() + timedelta(seconds=4)), transaction():
        conversion = session().get_one(Conversion, grants.get_reward(reward_id).conversion_id)
        grants.reverse_for_refund(refund(conversion, 3_000).id)
        month = statements.months_of(ana)[0]
        found = statements.statement(ana, month)
    (in_eur,) = found.accounts
    assert [(each.kind, each.amount.amount_minor) for each in in_eur.lines] == [
        ("reward.granted", 1_290),
        ("payout.sent", -1_290),
        ("reward.clawed_back", -300),
    ]
    assert (in_eur.opening.amount_minor, in_eur.closing.amount_minor) == (0, -300)
    page = advocate.get(f"/portal/rewards/statements/{month}").text
    assert "€30.00 of €129.00 was refunded: €3.00 taken back" in page
    assert "-€3.00" in page
    assert "paid" in advocate.get("/portal/rewards").text


def test_the_next_statement_opens_with_what_the_one_before_closed_with(cast: Cast, ana: Membership) -> None:
    approved(ana, cast.manager)
    with at(now() + timedelta(days=32)), transaction():
        later, earlier = statements.months_of(ana)[:2]
        closed = statements.statement(ana, earlier).accounts[0].closing
        assert statements.statement(ana, later).accounts[0].opening == closed
        assert closed.amount_minor == 1_290


@pytest.mark.parametrize("month", ["2026-13", "1999-01", "nonsense", "9999-99", "2026-1"])
def test_a_month_without_statement_is_not_found(advocate: FlaskClient, month: str) -> None:
    assert advocate.get(f"/portal/rewards/statements/{month}").status_code == 404


@pytest.mark.parametrize(
    "data", [{}, {"country": "XX"}, {"country": "Germany"}, {"country": "DE", "person_id": "x"}]
)
def test_a_country_we_cannot_pay_to_is_refused_beside_the_form(
    advocate: FlaskClient, data: dict[str, str]
) -> None:
    answer = advocate.post(ACCOUNT, data=data)
    assert answer.status_code == 422
    assert "Country of your bank" in answer.text


def test_when_stripe_is_silent_the_page_says_so(
    ana: Membership, stripe: LocalStripe, advocate: FlaskClient
) -> None:
    stripe.fault("error_500_before", path="/v2/core/accounts")
    assert advocate.post(ACCOUNT, data={"country": "DE"}).status_code == 503
    stripe_account(ana, stripe, onboarded=False)
    stripe.fault("error_500_before", method="GET", path="/v1/accounts")
    assert advocate.get(f"{ACCOUNT}/return").status_code == 303
    assert "Stripe does not answer" in advocate.get(ACCOUNT).text


def test_the_hosted_onboarding_page_is_really_there(stripe: LocalStripe, advocate: FlaskClient) -> None:
    address = advocate.post(ACCOUNT, data={"country": "DE"}).location
    assert httpx.get(address, trust_env=False, follow_redirects=True).status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "/portal/rewards",
        "/portal/rewards/statements/2026-11",
        ACCOUNT,
        f"{ACCOUNT}/return",
        f"{ACCOUNT}/again",
    ],
)
def test_who_is_no_advocate_sees_nothing_of_it(cast: Cast, client: FlaskClient, address: str) -> None:
    assert client.get(address).status_code == 302
    sign_in(client, cast.stranger)
    assert client.get(address).status_code == 403
    assert client.post(ACCOUNT, data={"country": "DE"}).status_code == 403


def test_a_country_that_stripe_refused_can_be_changed_and_a_connected_one_stays(
    ana: Membership, stripe: LocalStripe, advocate: FlaskClient
) -> None:
    stripe.fault("refuse", path="/v2/core/accounts")
    assert advocate.post(ACCOUNT, data={"country": "TH"}).status_code == 409
    assert "Country of your bank" in advocate.get(ACCOUNT).text
    with transaction():
        refused = accounts.account_of(ana.person_id)
        assert refused is not None
        assert accounts.begin(ana.person_id, "TH").id == refused.id
    assert advocate.post(ACCOUNT, data={"country": "DE"}).status_code == 303
    with transaction():
        account = accounts.account_of(ana.person_id)
        assert account is not None
        assert account.id != refused.id
        assert (account.country, accounts.begin(ana.person_id, "FR").id) == ("DE", account.id)


def test_points_of_a_refunded_sale_are_taken_back_on_the_statement(
    ana: Membership, advocate: FlaskClient
) -> None:
    with transaction():
        points_rule(get_programme(ana.programme_id), "sale", 50)
        conversion = sale(ana)
        grants.grant_for_conversion(conversion.id)
        grants.reverse_for_refund(refund(conversion, conversion.amount_minor).id)
        month = statements.months_of(ana)[0]
        (in_points,) = (each for each in statements.statement(ana, month).accounts if each.currency == "PTS")
    assert in_points.total("points.credited").amount_minor == 50
    assert in_points.total("points.taken_back").amount_minor == -50
    page = " ".join(advocate.get(f"/portal/rewards/statements/{month}").text.split())
    assert re.search(r"Taken back or denied.{0,200}-50", page.split('id="in-PTS"')[1])
