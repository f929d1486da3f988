from typing import Any

from flask.testing import FlaskClient

from core import api_keys
from core.db import transaction
from tests.factories import Cast, make_advocate
from tests.rewards.stories import approvable, approved, percent_rule, ready_account, reserved_payouts


def listed(client: FlaskClient, path: str, headers: dict[str, str]) -> dict[str, Any]:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200
    return dict(answer.get_json())


def key(unit_id: str, *scopes: str) -> dict[str, str]:
    with transaction():
        return {"Authorization": f"Bearer {api_keys.create_api_key('test', list(scopes), unit_id)}"}


def test_rewards_and_payouts_are_listed_with_their_arithmetic(cast: Cast, client: FlaskClient) -> None:
    with transaction():
        percent_rule(cast.programme)
        ana = make_advocate(cast.programme)
        ready_account(ana)
    approved(ana, cast.manager)
    reserved_payouts(cast.programme, cast.finance)
    waiting = approvable(ana)
    mine = key(cast.north.id, "rewards:read", "payouts:read")
    (newest, oldest) = listed(client, "/api/v1/rewards", mine)["items"]
    assert (newest["id"], newest["state"], newest["amount_minor"]) == (waiting, "approvable", 1_290)
    assert oldest["arithmetic"] == "10 % of €129.00 = €12.90 (sale rule, version 1)"
    (payout,) = listed(client, "/api/v1/payouts", mine)["items"]
    assert (payout["amount_minor"], payout["state"], oldest["payout_id"]) == (1_290, "reserved", payout["id"])
    first = listed(client, "/api/v1/rewards?limit=1", mine)
    second = listed(client, f"/api/v1/rewards?limit=1&after={first['next']}", mine)
    assert ([each["id"] for each in second["items"]], second["next"]) == ([oldest["id"]], None)
    assert listed(client, "/api/v1/rewards?state=paid", mine)["items"] == []


def test_another_units_key_sees_nothing_and_a_key_without_the_scope_is_refused(
    cast: Cast, client: FlaskClient
) -> None:
    with transaction():
        percent_rule(cast.programme)
        ana = make_advocate(cast.programme)
    approvable(ana)
    other = key(cast.south.id, "rewards:read")
    assert listed(client, "/api/v1/rewards", other)["items"] == []
    assert client.get("/api/v1/payouts", headers=other).status_code == 403
    assert client.get("/api/v1/rewards").status_code == 401


def test_wrong_queries_are_refused(cast: Cast, client: FlaskClient) -> None:
    mine = key(cast.north.id, "rewards:read", "payouts:read")
    for query, status in (
        ("limit=0", 422),
        ("limit=x", 422),
        ("state=rich", 422),
        ("after=x", 400),
        ("foo=1", 422),
    ):
        for path in ("/api/v1/rewards", "/api/v1/payouts"):
            assert client.get(f"{path}?{query}", headers=mine).status_code == status
