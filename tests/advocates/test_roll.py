"""The roll of advocates costs the same for one and for many, and says of each what its own rows say."""

from datetime import timedelta

from flask.testing import FlaskClient

from advocates.membership import (
    Membership,
    Term,
    change_standing,
    current_standing,
    current_term,
    public_name,
    public_names,
)
from advocates.roll import roll
from core.access import COMMAND
from core.api_keys import create_api_key
from core.db import session, transaction
from tests.factories import Cast, make_advocate
from tests.queries import counted


def made(cast: Cast, count: int) -> list[Membership]:
    with transaction():
        members = [make_advocate(cast.programme, f"Ana {number}") for number in range(count)]
        members[0].shown_by_name = True
        session().add(members[0])
        end = current_term(members[0].id).ends_at
        session().add(
            Term(membership_id=members[0].id, starts_at=end, ends_at=end + timedelta(days=365))
        )  # renewed
        change_standing(members[-1], "leave", by=COMMAND, reason="a child")
        return members


def test_each_is_told_as_its_own_rows_say(cast: Cast) -> None:
    members = made(cast, 3)
    with transaction(read_only=True):
        told = roll(members)
        for each in members:
            known = told[each.id]
            assert known.advocate == public_name(each)
            assert known.standing == current_standing(each.id).state
            assert known.term_ends_at == current_term(each.id).ends_at
            assert (known.programme, known.unit) == ("makers", "north")
        assert {known.standing for known in told.values()} == {"active", "leave"}
        assert roll([]) == {}
        assert public_names([]) == {}


def test_a_page_of_many_asks_as_often_as_a_page_of_one(client: FlaskClient, cast: Cast) -> None:
    made(cast, 12)
    with transaction():
        headers = {"Authorization": f"Bearer {create_api_key('x', ['advocates:read'], cast.north.id)}"}
    client.get("/api/v1/advocates", headers=headers)  # notes the key's first use
    asked = []
    for limit in (1, 12):
        with counted() as sent:
            answer = client.get("/api/v1/advocates", query_string={"limit": limit}, headers=headers)
        assert len(answer.get_json()["items"]) == limit
        asked.append(len(sent))
    assert asked[0] == asked[1] <= 12
