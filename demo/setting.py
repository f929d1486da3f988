"""Where the demo takes place: a hub, three units, two programmes, their staff, policies and rules."""

from dataclasses import dataclass
from functools import cache

from advocates.tiers import define
from core.access import COMMAND, Actor
from core.money import POINTS, Money
from core.people import Person, hashed, register
from core.settings import settings
from curriculum.folder import BUILT_IN, read_curriculum
from curriculum.releases import publish
from hub.policies import publish_policy
from hub.programmes import Programme, create_programme
from hub.roles import Role, give_role, staff_actor
from hub.units import Unit, create_unit, find_hub
from rewards.rules.conditions import Conditions, ProductRate
from rewards.rules.rules import Terms, change_rule

STAFF: tuple[tuple[str, str, Role, str], ...] = (
    ("hub@demo.example", "Hedda Rosen", "hub_admin", "hub"),
    ("manager@demo.example", "Mats Norling", "manager", "north"),
    ("finance@demo.example", "Fenja Oud", "finance", "hub"),
    ("marketing@demo.example", "Milo Achterberg", "marketing", "hub"),
    ("south@demo.example", "Sina Falk", "manager", "south"),
    ("reviewer@demo.example", "Rune Dahl", "reviewer", "north"),
)
DISCLOSURE = """## Say it first

Whenever you share your link or your code, the first words say that you are rewarded for it: **#ad**, **Ad:** or "I'm rewarded by …".
A discount, a free product, early access and the chance of a prize count as rewards too.

- Not at the end, not behind "more", not only in your profile.
- Not `#sp`, `#partner`, `#collab` or a bare `#ambassador`: people do not understand them.
- In a video, say it and show it at the start.

If a post of yours lacks it, we ask you to mend it within 48 hours.
"""
CONDUCT = """## How we speak

- Only what you know from your own use. You never have to be positive, and we never pay for an opinion.
- Help before you recommend. If something else fits better, say so.
- Nobody's personal data, no pressure, nothing to children.

You can leave at any time; there are no quotas and no minimum hours.
"""


@dataclass(frozen=True)
class Setting:
    """The stage: actors by role, programmes by short name."""

    hub: Unit
    people: dict[str, Person]
    makers: Programme
    garden: Programme

    def actor(self, role: str) -> Actor:
        """The staff member whose address begins so, as an actor."""
        return staff_actor(self.people[role])

    def manager_of(self, programme: Programme) -> Actor:
        """Who decides in a programme."""
        return self.actor("manager" if programme.id == self.makers.id else "south")


@cache
def demo_password_hash() -> str:
    """Everybody has the same password, so it is hashed once: that is slow on purpose."""
    return hashed(settings().demo_password)


def build() -> Setting:
    """Make the stage, as of now."""
    hub = find_hub() or create_unit("hub", "Hub", parent=None)
    units = {"hub": hub} | {
        slug: create_unit(slug, slug.title(), parent=hub) for slug in ("north", "south", "east")
    }
    people: dict[str, Person] = {}
    for email, name, role, unit in STAFF:
        person = register(email, name, time_zone="Europe/Amsterdam")
        person.password_hash = demo_password_hash()
        give_role(person, role, units[unit].id, by=COMMAND)
        people[email.partition("@")[0]] = person
    teach(hub)  # the same content as init-db's is the same release
    makers = _makers(units["north"], people)
    garden = _garden(units["south"], people)
    return Setting(hub, people, makers, garden)


def teach(hub: Unit) -> None:
    """Publish the built-in certification."""
    curriculum, problems = read_curriculum(BUILT_IN)
    if curriculum is None:
        raise RuntimeError(f"the built-in curriculum cannot be read: {problems}")
    publish(curriculum, unit_id=hub.id, by=COMMAND)


def _makers(unit: Unit, people: dict[str, Person]) -> Programme:
    shop = f"127.0.0.1:{settings().shop_port}"
    programme = create_programme(
        Programme(
            unit_id=unit.id,
            slug="makers-circle",
            name="Makers' Circle",
            summary="For people who make things by hand and like to say what works. You learn, you share what you "
            "really use, and you are paid for what it brings.",
            time_zone="Europe/Amsterdam",
            currency="EUR",
            compensation="cash",
            owner_ids=[people["manager"].id, people["hub"].id],
            allowed_hosts=[shop, "shop.example"],
            home_url=f"http://{shop}/",
            hold_days=14,
            payout_minimum_minor=2_000,
            four_eyes_above_minor=5_000,
            tax_forms="threshold",
        ),
        by=COMMAND,
    )
    better_on_beans = Conditions((ProductRate("BEANS", 1_500),), without=("tax", "shipping"))
    first_year = Conditions(first_months=12, cap_minor=500_000)
    change_rule(programme, "sale", Terms("percent", 1_000, conditions=better_on_beans), by=COMMAND)
    change_rule(programme, "recurring", Terms("percent", 1_000, conditions=first_year), by=COMMAND)
    change_rule(programme, "sale", Terms("flat", flat=Money(50, POINTS)), by=COMMAND)
    _learning_points(programme)
    for place, (name, at_least) in enumerate((("Bronze", 200), ("Silver", 600), ("Gold", 1_500)), 1):
        define(programme, name, place, at_least, by=COMMAND)
    return programme


def _garden(unit: Unit, people: dict[str, Person]) -> Programme:
    shop = f"127.0.0.1:{settings().shop_port}"
    programme = create_programme(
        Programme(
            unit_id=unit.id,
            slug="garden-guides",
            attribution_rule="split",
            name="Garden Guides",
            summary="For people who help others grow things. No pay: recognition, points, and a place where your "
            "answers are read.",
            time_zone="Europe/Lisbon",
            currency="EUR",
            compensation="recognition",
            owner_ids=[people["south"].id, people["hub"].id],
            allowed_hosts=[shop, "garden.example"],
            home_url=f"http://{shop}/",
        ),
        by=COMMAND,
    )
    change_rule(programme, "sale", Terms("flat", flat=Money(50, POINTS)), by=COMMAND)
    _learning_points(programme)
    return programme


def _learning_points(programme: Programme) -> None:
    change_rule(programme, "certification", Terms("flat", flat=Money(200, POINTS)), by=COMMAND)
    publish_policy(programme.id, "disclosure", "Disclosure", DISCLOSURE, by=COMMAND)
    publish_policy(programme.id, "conduct", "How we speak", CONDUCT, by=COMMAND)
