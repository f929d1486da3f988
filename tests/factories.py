"""Plain functions that make what tests need, through the same verbs as real use."""

from dataclasses import dataclass

from flask.testing import FlaskClient

from advocates import membership
from advocates.membership import Membership
from core.access import COMMAND, Actor
from core.people import Person, register
from hub.programmes import Programme, create_programme
from hub.roles import Role, give_role, staff_actor
from hub.units import Unit, create_unit

PASSWORD = "correct horse battery"
_fast_hash: list[str] = []


@dataclass(frozen=True)
class Cast:
    """Who is in every story. Every view test asks what the stranger and the other unit's manager get."""

    hub: Unit
    north: Unit
    south: Unit
    programme: Programme
    """a cash programme of north, in EUR"""
    other_programme: Programme
    """a recognition programme of south"""
    hub_admin: Person
    manager: Person
    other_manager: Person
    finance: Person
    marketing: Person
    stranger: Person
    """has an account and nothing else"""


def make_person(name: str) -> Person:
    """An account whose password is PASSWORD (hashed once per run: argon2 is slow on purpose)."""
    person = register(f"{name.lower().replace(' ', '.')}@example.org", name)
    if not _fast_hash:
        from core.people import hashed

        _fast_hash.append(hashed(PASSWORD))
    person.password_hash = _fast_hash[0]
    return person


def make_staff(name: str, role: Role, unit: Unit) -> Person:
    """Somebody with a role in a unit."""
    person = make_person(name)
    give_role(person, role, unit.id, by=COMMAND)
    return person


def make_programme(unit: Unit, slug: str, owners: list[Person], **changes: object) -> Programme:
    """A programme of a unit; `changes` are columns."""
    columns: dict[str, object] = {
        "unit_id": unit.id,
        "slug": slug,
        "name": slug.replace("-", " ").title(),
        "owner_ids": [each.id for each in owners],
        "allowed_hosts": ["shop.example"],
        "home_url": "https://shop.example/",
        "compensation": "cash",
        "currency": "EUR",
    }
    return create_programme(Programme(**{**columns, **changes}), by=COMMAND)  # type: ignore[arg-type]  # columns by name


def make_cast() -> Cast:
    """The cast, with their units and programmes."""
    hub = create_unit("hub", "Hub", parent=None)
    north, south = create_unit("north", "North", parent=hub), create_unit("south", "South", parent=hub)
    admin = make_staff("Hanna Admin", "hub_admin", hub)
    manager, other = make_staff("Mara North", "manager", north), make_staff("Otto South", "manager", south)
    return Cast(
        hub=hub,
        north=north,
        south=south,
        programme=make_programme(north, "makers", [admin, manager]),
        other_programme=make_programme(south, "gardeners", [admin, other], compensation="recognition"),
        hub_admin=admin,
        manager=manager,
        other_manager=other,
        finance=make_staff("Fina Ledger", "finance", north),
        marketing=make_staff("Marc Etting", "marketing", north),
        stranger=make_person("Stran Ger"),
    )


def make_advocate(programme: Programme, name: str = "Ana Advocate") -> Membership:
    """An advocate in term: a trainee, until somebody certifies them."""
    return membership.welcome(make_person(name), programme, by=COMMAND)


def acting(person: Person) -> Actor:
    """The person as an actor."""
    return staff_actor(person)


def sign_in(client: FlaskClient, person: Person) -> FlaskClient:
    """Sign the person in through the real form."""
    answer = client.post("/login", data={"email": person.email, "password": PASSWORD})
    assert answer.status_code == 303, answer.text
    return client
