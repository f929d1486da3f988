"""Doors for machines: scopes, units, pages, names only where agreed."""

import pytest
from flask.testing import FlaskClient

from advocates.membership import Membership
from core.api_keys import create_api_key
from core.db import session, transaction
from hub.metrics import Gain, add
from tests.factories import Cast, make_advocate


@pytest.fixture
def members(cast: Cast) -> list[Membership]:
    with transaction():
        made = [make_advocate(cast.programme, f"Ana {n}") for n in range(3)]
        made.append(make_advocate(cast.other_programme, "Sue South"))
        made[0].shown_by_name = True
        session().add(made[0])
        add([Gain("sales", each.id, each.unit_id, 20261102, each.number) for each in made])
        return made


def bearer(unit_id: str, *scopes: str) -> dict[str, str]:
    with transaction():
        return {"Authorization": f"Bearer {create_api_key('test', list(scopes), unit_id)}"}


@pytest.mark.parametrize("path", ["/api/v1/advocates", "/api/v1/leaderboard"])
def test_a_key_with_the_scope_is_needed(client: FlaskClient, cast: Cast, path: str) -> None:
    assert client.get(path).status_code == 401
    assert client.get(path, headers=bearer(cast.north.id, "clicks:read")).status_code == 403


def test_advocates_of_the_key_s_unit_in_pages_by_number(
    client: FlaskClient, cast: Cast, members: list[Membership]
) -> None:
    headers = bearer(cast.north.id, "advocates:read")
    first = client.get("/api/v1/advocates?limit=2", headers=headers).get_json()
    rest = client.get("/api/v1/advocates", query_string={"after": first["next"]}, headers=headers).get_json()
    assert [each["advocate"] for each in first["items"] + rest["items"]] == [
        "Ana 0",
        "Advocate #2",
        "Advocate #3",
    ]
    assert rest["next"] is None
    assert first["items"][0] | {"id": "", "joined_at": "", "term_ends_at": ""} == {
        "id": "",
        "membership_number": 1,
        "advocate": "Ana 0",
        "programme": "makers",
        "unit": "north",
        "standing": "active",
        "joined_at": "",
        "term_ends_at": "",
    }
    assert client.get("/api/v1/advocates?after=zzz", headers=headers).status_code == 400


def test_the_leaderboard_of_the_key_s_unit(
    client: FlaskClient, cast: Cast, members: list[Membership]
) -> None:
    headers = bearer(cast.hub.id, "leaderboard:read")
    found = client.get(
        "/api/v1/leaderboard?metric=sales&from=2026-11-01&to=2026-11-30&limit=2", headers=headers
    ).get_json()
    assert found == {
        "metric": "sales",
        "currency": None,
        "from": "2026-11-01",
        "to": "2026-11-30",
        "next": None,
        "items": [
            {"rank": 1, "advocate": "Advocate #4", "membership_number": 4, "unit": "south", "value": 4},
            {"rank": 2, "advocate": "Advocate #3", "membership_number": 3, "unit": "north", "value": 3},
        ],
    }
    north = client.get("/api/v1/leaderboard?unit=north", headers=headers).get_json()
    assert [each["membership_number"] for each in north["items"]] == [3, 2, 1]
    own = bearer(cast.north.id, "leaderboard:read")
    assert client.get("/api/v1/leaderboard?unit=south", headers=own).status_code == 404
    assert client.get("/api/v1/leaderboard?emails=yes", headers=own).status_code == 403
    assert (
        client.get("/api/v1/leaderboard?metric=followers", headers=own).get_json()["error"] == "UnknownMetric"
    )
    assert client.get("/api/v1/leaderboard?metric=revenue", headers=own).get_json()["currency"] == "EUR"
