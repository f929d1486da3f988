"""What machines are told of attribution: neither what people wrote for advocates, nor another shop's id of a customer."""

from advocates.membership import Membership
from core import db
from referrals.answers import ShownConversion, show_conversions
from referrals.conversions.conversion_rows import Conversion
from referrals.conversions.reassignment import reassign
from tests.factories import Cast, acting
from tests.referrals.conversions.appealing import answer, ask, lost
from tests.referrals.stories import bring

WHY = "Bought with the card of her own <b>shop</b>."


def told(cast: Cast, conversion_id: str) -> ShownConversion:
    """As a machine of north is told of it."""
    with db.transaction(read_only=True) as session:
        found = session.get_one(Conversion, conversion_id)
        return show_conversions([found], frozenset({cast.north.id}))[found.id]


def test_machines_read_that_a_person_decided_not_what_was_written(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    _ana, bo = two
    order = lost(cast)
    asked = ask(bo, order)
    with db.transaction() as session:
        reassign(session.get_one(Conversion, order), None, link_id=None, why=WHY, by=acting(cast.manager))
    shown = told(cast, order)
    assert shown.attribution.reason == "nobody's: decided by a person"
    assert "shop" not in shown.model_dump_json()
    assert shown.attribution.candidates[0].verdict.startswith("not any more: decided by a person (first: won")
    answer(cast, asked)
    again = told(cast, order)
    assert again.attribution.reason.startswith("won: given after an appeal, ")
    assert "shop" not in again.model_dump_json()
    with db.transaction(read_only=True) as session:
        assert session.get_one(Conversion, order).reason == again.attribution.reason


def test_a_shops_own_id_of_a_customer_is_told_to_nobody_else(
    cast: Cast, two: tuple[Membership, Membership]
) -> None:
    customer = {"external_id": "jane@private.example"}
    with db.transaction():
        bring(cast.hub.id, external_id="o-1", code="ana", customer=customer)
        order = bring(cast.hub.id, external_id="o-2", customer=customer).id
    shown = told(cast, order)
    assert [(each.source, each.given, each.won) for each in shown.attribution.candidates] == [
        ("customer", "", True)
    ]
    assert "jane" not in shown.model_dump_json()
    with db.transaction(read_only=True) as session:
        found = session.get_one(Conversion, order)
        by_the_hub = show_conversions([found], frozenset({cast.hub.id, cast.north.id}))[order]
    assert by_the_hub.attribution.candidates[0].given == "jane@private.example"
