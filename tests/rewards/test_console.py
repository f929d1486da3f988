import pytest
from flask.testing import FlaskClient
from sqlmodel import select

from advocates.membership import Membership
from core.access import COMMAND
from core.db import session, transaction
from core.people import get_person
from core.settings import Settings
from hub.roles import give_role
from referrals.conversions.conversions import Conversion
from referrals.fraud.fraud_cases import FraudCase
from rewards import everything_page, grants, payouts_page
from rewards.approvals import approvals
from rewards.grants import Reward
from rewards.ledger import proof
from rewards.payouts import payout_preview
from rewards.payouts.runs import Payout, PayoutRun
from rewards.taking_back import restorations
from tests.factories import Cast, acting, make_advocate, make_staff, sign_in
from tests.rewards.stories import (
    approvable,
    approved,
    ready_account,
    ready_advocate,
    refund,
    reserved_payouts,
    seen,
)

LARGE = 2_000_000


@pytest.fixture
def ana(cast: Cast) -> Membership:
    return ready_advocate(cast.programme)


def pick(reward_id: str) -> str:
    with transaction():
        return f"{reward_id}:{grants.get_reward(reward_id).content_hash}"


def state_of(reward_id: str) -> str:
    with transaction():
        return grants.get_reward(reward_id).state


def test_the_manager_sees_the_queue_with_sums_and_arithmetic_and_approves(
    cast: Cast, ana: Membership, client: FlaskClient
) -> None:
    first, second = approvable(ana), approvable(ana, 5_000)
    sign_in(client, cast.manager)
    page = client.get("/console/rewards").text
    assert "€17.90" in page
    assert "10 % of €129.00 = €12.90 (sale rule, version 1)" in page
    answer = client.post("/console/rewards", data={"act": "approve", "picked": [pick(first), pick(second)]})
    assert answer.status_code == 303
    assert "2 rewards approved, €17.90." in client.get("/console/rewards").text
    assert (state_of(first), state_of(second)) == ("approved", "approved")
    assert "Nothing to approve" in client.get("/console/rewards").text


def test_what_changed_since_the_page_was_opened_is_refused_with_the_page_again(
    cast: Cast, ana: Membership, client: FlaskClient
) -> None:
    reward_id = approvable(ana)
    picked = pick(reward_id)
    with transaction():
        conversion = session().get_one(Conversion, grants.get_reward(reward_id).conversion_id)
        grants.reverse_for_refund(refund(conversion, 100).id)
    sign_in(client, cast.manager)
    answer = client.post("/console/rewards", data={"act": "approve", "picked": [picked]})
    assert answer.status_code == 409
    assert "Something changed since you saw it" in answer.text
    assert "12.80" in answer.text
    assert state_of(reward_id) == "approvable"


def test_several_are_denied_with_one_reason_or_none(cast: Cast, ana: Membership, client: FlaskClient) -> None:
    first, second = approvable(ana), approvable(ana)
    sign_in(client, cast.manager)
    both = [pick(first), pick(second)]
    assert client.post("/console/rewards", data={"act": "deny", "picked": both}).status_code == 422
    assert state_of(first) == "approvable"
    done = client.post("/console/rewards", data={"act": "deny", "picked": both, "reason": "Own orders."})
    assert done.status_code == 303
    assert (state_of(first), state_of(second)) == ("denied", "denied")


@pytest.mark.parametrize(
    "data",
    [
        {"act": "approve"},
        {"act": "approve", "picked": ["nonsense"]},
        {"act": "approve", "picked": ["0" * 26 + ":" + "g" * 64]},
        {"act": "pay"},
        {"act": "approve", "picked": ["0" * 26 + ":" + "0" * 64] * 1001},
        {"act": "approve", "picked": ["0" * 26 + ":" + "0" * 64], "amount_minor": "1"},
    ],
)
def test_forms_that_make_no_sense_are_refused(
    cast: Cast, ana: Membership, client: FlaskClient, data: dict[str, object]
) -> None:
    sign_in(client, cast.manager)
    assert client.post("/console/rewards", data=data).status_code in {409, 422}


@pytest.mark.parametrize(
    "query",
    [
        "?q=Ana",
        "?q=order-",
        "?state=all",
        "?programme=makers",
        "?risk=none",
        "?state=all&risk=second",
        "?q=nobody",
    ],
)
def test_the_queue_is_searched_and_filtered_in_its_address(
    cast: Cast, ana: Membership, client: FlaskClient, query: str
) -> None:
    approvable(ana)
    sign_in(client, cast.manager)
    answer = client.get(f"/console/rewards{query}")
    assert answer.status_code == 200
    assert ("Ana Advocate" in answer.text) is ("nobody" not in query and "second" not in query)


def test_a_wrong_filter_is_refused(cast: Cast, client: FlaskClient) -> None:
    sign_in(client, cast.manager)
    assert client.get("/console/rewards?state=nonsense").status_code == 422
    assert client.get("/console/rewards?after=nonsense").status_code == 400


def test_a_line_is_explained_on_one_page_and_decided_there(
    cast: Cast, ana: Membership, client: FlaskClient
) -> None:
    reward_id = approvable(ana, LARGE)
    sign_in(client, cast.manager)
    page = client.get(f"/console/rewards/{reward_id}").text
    assert "10 % of each sale" in page
    assert "The last click within 30 days" in page
    assert "This needs two people" in page
    wanted = {"act": "approve", "content_hash": pick(reward_id).split(":")[1]}
    client.post(f"/console/rewards/{reward_id}", data=wanted)
    assert "a second person has to agree" in client.get(f"/console/rewards/{reward_id}").text
    client.post("/logout")
    sign_in(client, cast.finance)
    assert "Approve €2,000.00" in client.get(f"/console/rewards/{reward_id}").text
    client.post(f"/console/rewards/{reward_id}", data=wanted)
    page = client.get(f"/console/rewards/{reward_id}").text
    assert "Mara North" in page
    assert "Fina Ledger" in page
    assert "programme → waiting" in page
    assert "waiting → approved" in page
    assert state_of(reward_id) == "approved"


def test_one_is_held_released_approved_and_undone(cast: Cast, ana: Membership, client: FlaskClient) -> None:
    reward_id = approvable(ana)
    sign_in(client, cast.manager)
    address = f"/console/rewards/{reward_id}"
    assert client.post(address, data={"act": "hold"}).status_code == 422
    for act, state in (
        ("hold", "held"),
        ("release", "approvable"),
        ("approve", "approved"),
        ("undo", "approvable"),
    ):
        data = {"act": act, "reason": "Looks odd.", "content_hash": pick(reward_id).split(":")[1]}
        assert client.post(address, data=data).status_code == 303
        assert state_of(reward_id) == state
        assert client.get(address).status_code == 200


def test_runs_are_previewed_made_by_finance_and_shown(
    cast: Cast, ana: Membership, client: FlaskClient
) -> None:
    with transaction():
        ben = make_advocate(cast.programme, "Ben Bee")
    approved(ana, cast.manager)
    approved(ben, cast.manager)
    sign_in(client, cast.finance)
    preview = client.get(f"/console/payouts/preview/{cast.programme.id}").text
    assert "No payout account has been set up." in preview
    assert "Pay out now" in preview
    made = client.post("/console/payouts", data={"programme_id": cast.programme.id})
    assert made.status_code == 303
    page = client.get(made.location).text
    assert "€12.90" in page
    assert "Ben Bee" in page
    assert "No payout account has been set up." in page
    overview = client.get("/console/payouts").text
    assert "by hand" in overview
    assert "1 reserved" in overview
    with transaction():
        payout = session().exec(select(Payout)).one()
    assert "Not sent yet." in client.get(f"/console/payouts/items/{payout.id}").text
    refused = client.post(f"/console/payouts/items/{payout.id}", data={"act": "take_back"})
    assert refused.status_code == 409
    with transaction():
        payout = session().get_one(Payout, payout.id)
        payout.state, payout.reason = "held", "The account was swapped."
        session().add(payout)
    assert "The account was swapped." in client.get("/console/payouts").text
    assert client.post(f"/console/payouts/items/{payout.id}", data={"act": "take_back"}).status_code == 303
    with transaction():
        assert proof.problems() == []


def test_empty_pages_say_what_to_do(cast: Cast, client: FlaskClient) -> None:
    sign_in(client, cast.finance)
    assert "No runs yet" in client.get("/console/payouts").text
    assert "Nothing is approved" in client.get(f"/console/payouts/preview/{cast.programme.id}").text
    assert "Nothing to approve" in client.get("/console/rewards").text
    assert "nothing is rewarded here" in client.get("/console/rewards/rules").text


def test_what_the_stranger_and_the_other_units_manager_get(
    cast: Cast, ana: Membership, client: FlaskClient
) -> None:
    reward_id = approvable(ana)
    approved(ana, cast.manager)
    (payout_id,) = reserved_payouts(cast.programme, cast.finance)
    with transaction():
        run_id = session().exec(select(PayoutRun)).one().id
    objects = [
        f"/console/rewards/{reward_id}",
        f"/console/payouts/{run_id}",
        f"/console/payouts/items/{payout_id}",
        f"/console/payouts/preview/{cast.programme.id}",
    ]
    lists = ["/console/rewards", "/console/rewards/rules", "/console/payouts"]
    sign_in(client, cast.stranger)
    assert {client.get(each).status_code for each in objects + lists} == {403}
    assert (
        client.post("/console/rewards", data={"act": "approve", "picked": [pick(reward_id)]}).status_code
        == 403
    )
    client.post("/logout")
    sign_in(client, cast.other_manager)
    assert {client.get(each).status_code for each in objects} == {404}
    for each in lists:
        assert "Ana Advocate" not in client.get(f"{each}?state=all" if each == lists[0] else each).text
    assert (
        client.post("/console/rewards", data={"act": "approve", "picked": [pick(reward_id)]}).status_code
        == 404
    )
    assert client.post(objects[0], data={"act": "hold", "reason": "x"}).status_code == 404
    assert client.post("/console/payouts", data={"programme_id": cast.programme.id}).status_code == 403
    client.post("/logout")
    sign_in(client, cast.manager)
    assert client.post("/console/payouts", data={"programme_id": cast.programme.id}).status_code == 403
    assert client.post(objects[2], data={"act": "take_back"}).status_code == 403
    assert state_of(reward_id) == "approvable"


def test_the_manager_who_is_an_advocate_cannot_approve_their_own_on_the_page(
    cast: Cast, ana: Membership, client: FlaskClient, settings: Settings
) -> None:
    from advocates import membership
    from core.access import COMMAND

    with transaction():
        mine = membership.welcome(cast.manager, cast.programme, by=COMMAND)
    reward_id = approvable(mine)
    sign_in(client, cast.manager)
    assert (
        client.post("/console/rewards", data={"act": "approve", "picked": [pick(reward_id)]}).status_code
        == 403
    )
    assert isinstance(state_of(reward_id), str)
    with transaction():
        assert session().get_one(Reward, reward_id).approved_by is None


def test_a_long_run_and_its_preview_show_the_first_rows_and_the_sums_of_all(
    cast: Cast, ana: Membership, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction():
        ben = make_advocate(cast.programme, "Ben Bee")
        ready_account(ben)
    approved(ana, cast.manager)
    approved(ben, cast.manager, 5_000)
    monkeypatch.setattr(payouts_page, "SHOWN", 1)
    monkeypatch.setattr(payout_preview, "SHOWN", 1)
    sign_in(client, cast.finance)
    preview = client.get(f"/console/payouts/preview/{cast.programme.id}").text
    assert "€17.90" in preview
    assert "The first 1 of 2." in preview
    reserved_payouts(cast.programme, cast.finance)
    with transaction():
        run_id = session().exec(select(PayoutRun)).one().id
    page = client.get(f"/console/payouts/{run_id}").text
    assert "€17.90" in page
    assert "0 of 2" in page
    assert "The largest 1 of 2." in page
    assert "Ben Bee" not in page


def test_everything_that_fits_is_shown_as_sums_and_approved_as_it_was_shown(
    cast: Cast, ana: Membership, client: FlaskClient
) -> None:
    some = [approvable(ana), approvable(ana, 5_000), approvable(ana, LARGE)]
    sign_in(client, cast.manager)
    shown = client.get("/console/rewards/all").text
    assert "3 rewards to approve" in shown
    assert "€2,017.90" in shown
    digest = shown.partition('name="digest" value="')[2][:64]
    answer = client.post("/console/rewards/all", data={"digest": digest})
    assert answer.status_code == 303
    said = client.get("/console/rewards").text
    assert "2 rewards approved, €17.90." in said
    assert "1 waits for a second person." in said
    assert [state_of(each) for each in some] == ["approved", "approved", "approvable"]
    assert "1 that waits for a second person." in client.get("/console/rewards/all").text
    sign_in(client, cast.finance)
    shown = client.get("/console/rewards/all").text
    assert "1 reward to approve" in shown
    digest = shown.partition('name="digest" value="')[2][:64]
    assert client.post("/console/rewards/all", data={"digest": digest}).status_code == 303
    assert state_of(some[2]) == "approved"


def test_whoever_gives_second_approvals_gives_no_first_one_and_nobody_gives_both(
    cast: Cast, ana: Membership, client: FlaskClient
) -> None:
    approvable(ana)
    large = approvable(ana, LARGE)
    with transaction():
        both = make_staff("Bo Th", "manager", cast.north)
        give_role(both, "finance", cast.north.id, by=COMMAND)
    with transaction():
        both = get_person(both.id)
        approvals.approve(seen(grants.get_reward(large)), by=acting(both))
        session().refresh(both)
    sign_in(client, cast.finance)
    shown = client.get("/console/rewards/all").text
    assert "1 reward to approve" in shown
    assert "1 that a manager has to approve first." in shown
    sign_in(client, both)
    shown = client.get("/console/rewards/all").text
    assert "1 reward to approve" in shown, "the small one; of the large one the first approval is theirs"
    assert "1 that waits for a second person." in shown


def test_everything_is_refused_when_one_more_came_or_one_changed(
    cast: Cast, ana: Membership, client: FlaskClient
) -> None:
    first = approvable(ana)
    sign_in(client, cast.manager)
    digest = client.get("/console/rewards/all").text.partition('name="digest" value="')[2][:64]
    approvable(ana, 5_000)
    answer = client.post("/console/rewards/all", data={"digest": digest})
    assert answer.status_code == 409
    assert "Something changed since you saw it" in answer.text
    assert state_of(first) == "approvable"


def test_everything_leaves_out_what_is_held_and_says_so(
    cast: Cast, ana: Membership, client: FlaskClient
) -> None:
    held, free = approvable(ana), approvable(ana, 5_000)
    with transaction():
        approvals.hold(grants.get_reward(held), by=acting(cast.manager), reason="I want to ask first.")
    sign_in(client, cast.manager)
    shown = client.get("/console/rewards/all").text
    assert "1 reward to approve" in shown
    assert "1 held, €12.90" in shown
    digest = shown.partition('name="digest" value="')[2][:64]
    client.post("/console/rewards/all", data={"digest": digest})
    assert (state_of(held), state_of(free)) == ("held", "approved")


def test_of_more_than_one_act_takes_the_oldest_are_shown_and_approved(
    cast: Cast, ana: Membership, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everything_page, "MOST", 2)
    some = [approvable(ana), approvable(ana, 5_000), approvable(ana, 7_000)]
    sign_in(client, cast.manager)
    shown = client.get("/console/rewards/all").text
    assert "2 rewards to approve" in shown
    assert "There are more" in shown
    assert "€17.90" in shown
    digest = shown.partition('name="digest" value="')[2][:64]
    client.post("/console/rewards/all", data={"digest": digest})
    assert [state_of(each) for each in some] == ["approved", "approved", "approvable"]


def test_everything_is_for_those_who_approve_and_of_their_units_only(
    cast: Cast, ana: Membership, client: FlaskClient
) -> None:
    approvable(ana)
    for person in (cast.stranger, cast.marketing):
        sign_in(client, person)
        assert client.get("/console/rewards/all").status_code == 403
    sign_in(client, cast.finance)
    assert "0 rewards to approve" in client.get("/console/rewards/all").text
    sign_in(client, cast.other_manager)
    assert "0 rewards to approve" in client.get("/console/rewards/all").text


@pytest.mark.parametrize(
    ("sort", "expected"),
    [("age", "0123"), ("-age", "3210"), ("amount", "1023"), ("-amount", "3201"), ("", "3210")],
)
def test_the_queue_is_sorted_as_its_address_says_and_amounts_within_their_currency(
    cast: Cast, ana: Membership, client: FlaskClient, sort: str, expected: str
) -> None:
    sizes = (9_000, 5_000, 20_000)
    ids = [*(approvable(ana, size) for size in sizes), approvable(ana, 1_000, "JPY")]
    sign_in(client, cast.manager)
    page = client.get("/console/rewards", query_string={"sort": sort}).text
    places = [page.index(f'value="{ids[int(each)]}:') for each in expected]
    assert places == sorted(places)
    assert client.get("/console/rewards?sort=nonsense").status_code == 422


def test_of_equal_risk_the_largest_comes_first_then_the_oldest(
    cast: Cast, ana: Membership, client: FlaskClient
) -> None:
    old, large, new = approvable(ana, 5_000), approvable(ana, 9_000), approvable(ana, 5_000)
    with transaction():
        for reward_id in (old, large, new):
            _suspect(reward_id, 20)
    sign_in(client, cast.manager)
    page = client.get("/console/rewards").text
    places = [page.index(f'value="{each}:') for each in (large, old, new)]
    assert places == sorted(places)


def _suspect(reward_id: str, score: int) -> None:
    """Signs of fraud in what a reward is for."""
    reward = grants.get_reward(reward_id)
    session().add(
        FraudCase(
            conversion_id=str(reward.conversion_id),
            membership_id=reward.membership_id,
            programme_id=reward.programme_id,
            unit_id=reward.unit_id,
            score=score,
            signals=[{"signal": "x", "grade": "weak", "points": score, "sentence": f"Sign {score}"}],
        )
    )


def test_the_riskiest_rewards_come_first(cast: Cast, ana: Membership, client: FlaskClient) -> None:
    worst, calm, bad = approvable(ana, 10_100), approvable(ana, 10_200), approvable(ana, 10_300)
    with transaction():
        for reward_id, score in ((worst, 40), (bad, 20)):
            _suspect(reward_id, score)
    sign_in(client, cast.manager)
    page = client.get("/console/rewards").text
    places = [page.index(f'value="{each}:') for each in (worst, bad, calm)]
    assert places == sorted(places)
    only = client.get("/console/rewards?risk=signals").text
    assert (worst in only, bad in only, calm in only) == (True, True, False)


def test_a_reward_says_what_came_back_and_what_it_is_worth_with_the_lines_below_it(
    cast: Cast, ana: Membership, client: FlaskClient
) -> None:
    reward_id = approved(ana, cast.manager)
    with transaction():
        conversion = session().get_one(Conversion, grants.get_reward(reward_id).conversion_id)
        first = refund(conversion, 6_450)
        for each in (first, refund(conversion, 1_290)):
            grants.reverse_for_refund(each.id)
        restorations.restore_for_refund(first.id)
    sign_in(client, cast.manager)
    page = client.get(f"/console/rewards/{reward_id}").text
    for said in (
        "it came back: €6.45 given again",
        "Lines that take from it or give it again",
        "it is worth €11.61",
    ):
        assert said in page, said
