"""The tree of units: one hub, reach goes down and never up or across."""

import pytest

from core.db import transaction
from hub.units import (
    HubExists,
    Unit,
    UnitExists,
    UnitNotFound,
    all_units,
    create_unit,
    find_hub,
    find_unit,
    get_unit,
    reach,
)

pytestmark = pytest.mark.usefixtures("settings")


@pytest.fixture
def tree() -> dict[str, Unit]:
    """hub → north → (oslo → harbour, bergen), south."""
    made: dict[str, Unit] = {}
    with transaction():
        for slug, above in [
            ("hub", None),
            ("north", "hub"),
            ("south", "hub"),
            ("oslo", "north"),
            ("bergen", "north"),
            ("harbour", "oslo"),
        ]:
            made[slug] = create_unit(slug, slug.title(), parent=made[above] if above else None)
    return made


@pytest.mark.parametrize(
    ("unit", "reached"),
    [("hub", "hub north south oslo bergen harbour"), ("north", "north oslo bergen harbour"), ("south", "south"), ("oslo", "oslo harbour"),
     ("harbour", "harbour")],
)  # fmt: skip
def test_unit_reaches_itself_and_everything_below(tree: dict[str, Unit], unit: str, reached: str) -> None:
    with transaction(read_only=True):
        assert reach(tree[unit].id) == {tree[each].id for each in reached.split()}
    assert reach(tree[unit].id, list(tree.values())) == {tree[each].id for each in reached.split()}


def test_unknown_unit_reaches_nothing_else(tree: dict[str, Unit]) -> None:
    with transaction(read_only=True):
        assert reach("unknown") == {"unknown"}


def test_circle_of_units_is_walked_once() -> None:
    circle = [
        Unit(id="a", parent_id="b", slug="a", name="A"),
        Unit(id="b", parent_id="a", slug="b", name="B"),
    ]
    assert reach("a", circle) == {"a", "b"}


def test_there_is_one_hub_and_short_names_are_unique(tree: dict[str, Unit]) -> None:
    with transaction():
        with pytest.raises(HubExists):
            create_unit("second", "Second", parent=None)
        with pytest.raises(UnitExists):
            create_unit("oslo", "Another Oslo", parent=tree["south"])


def test_units_are_found_by_short_name_and_id_and_listed_by_name(tree: dict[str, Unit]) -> None:
    with transaction(read_only=True):
        assert (find_hub(), find_unit("oslo"), find_unit("nowhere")) == (tree["hub"], tree["oslo"], None)
        assert get_unit(tree["oslo"].id) == tree["oslo"]
        assert [each.slug for each in all_units()] == ["bergen", "harbour", "hub", "north", "oslo", "south"]
        with pytest.raises(UnitNotFound):
            get_unit("nowhere")


def test_without_units_there_is_no_hub() -> None:
    with transaction(read_only=True):
        assert find_hub() is None
