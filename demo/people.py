"""The people of the demo. All invented."""

from dataclasses import dataclass

FIRST = [
    "Noor",
    "Tomasz",
    "Ilse",
    "Mei",
    "Aiko",
    "Bram",
    "Carla",
    "Dev",
    "Elif",
    "Femke",
    "Goran",
    "Hana",
    "Ivo",
    "Jana",
    "Kofi",
    "Lena",
    "Marek",
    "Nadia",
    "Oskar",
    "Priya",
    "Quirin",
    "Rosa",
    "Sami",
    "Tala",
    "Umar",
    "Vera",
    "Wim",
    "Xenia",
    "Yusuf",
    "Zora",
    "Anouk",
    "Bilal",
    "Chiara",
    "Dario",
    "Edda",
    "Farid",
    "Greta",
    "Henk",
    "Ines",
    "Jonas",
    "Karim",
    "Livia",
    "Milan",
    "Nele",
    "Omar",
    "Paula",
    "Rafael",
    "Sanne",
    "Timo",
    "Ulla",
    "Viktor",
    "Wanda",
    "Yara",
    "Zeno",
    "Alma",
    "Bruno",
    "Clea",
    "Dina",
    "Emil",
    "Fleur",
    "Gilda",
    "Hugo",
    "Iris",
    "Joost",
    "Kaya",
    "Luca",
    "Mira",
    "Nils",
]
LAST = [
    "Hartwell",
    "Wilmar",
    "Brand",
    "Linden",
    "Okonjo",
    "Vermeer",
    "Castel",
    "Ramani",
    "Demir",
    "Bakker",
    "Petrovic",
    "Sato",
    "Marin",
    "Novak",
    "Mensah",
    "Fischer",
    "Zielin",
    "Haddad",
    "Lund",
    "Iyer",
    "Steiner",
    "Moreno",
    "Aziz",
    "Khoury",
]
WHY = (
    "I have used the hand grinder every day for three years and friends keep asking me about it.",
    "I run a small cooking group and we compare tools all the time.",
    "I write about slow mornings and would rather recommend what I really use.",
    "I help people repair things; yours can be repaired, which I would like more people to know.",
    "I teach a pottery class and your kiln guide saved two of our firings.",
)
CHANNELS = (
    "https://mornings.example/notes",
    "https://repair-table.example",
    "https://clay.example/{slug}",
    "",
)


@dataclass(frozen=True)
class Somebody:
    """A person of the demo; `place` counts from 0 and decides how far they come."""

    place: int
    name: str
    email: str
    programme: str
    why: str
    channels: str


def everybody(count: int) -> list[Somebody]:
    """The first `count` people, always the same."""
    return [_somebody(place) for place in range(count)]


def _somebody(place: int) -> Somebody:
    first, last = FIRST[place % len(FIRST)], LAST[(place * 7) % len(LAST)]
    slug = f"{first}.{last}".lower()
    return Somebody(
        place=place,
        name=f"{first} {last}",
        email=f"{slug}@people.example",
        programme="garden-guides" if place % 4 == 3 else "makers-circle",  # noqa: PLR2004 - every fourth
        why=WHY[place % len(WHY)],
        channels=CHANNELS[place % len(CHANNELS)].format(slug=slug),
    )
