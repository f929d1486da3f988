"""Forms and queries are read into models: listed fields only, empty is missing, many stay many."""

import pytest
from flask import Flask

from core.inputs import Input, InvalidInput, Line
from web.forms import read_form, read_query


class Typed(Input):
    name: Line
    note: str = "none"
    tags: tuple[str, ...] = ()
    places: frozenset[str] = frozenset()
    maybe: int | None = None


def posted(app: Flask, data: dict[str, object]) -> Typed:
    with app.test_request_context("/x", method="POST", data=data):
        return read_form(Typed)


def test_fields_are_read_trimmed_and_empty_ones_are_missing(small: Flask) -> None:
    typed = posted(small, {"name": " Ana ", "note": "", "maybe": "", "csrf_token": "t"})
    assert (typed.name, typed.note, typed.maybe) == ("Ana", "none", None)


def test_fields_that_may_be_picked_several_times_are_lists_without_empty_ones(small: Flask) -> None:
    typed = posted(small, {"name": "Ana", "tags": ["a", "", "b"], "places": ["x", "x"]})
    assert (typed.tags, typed.places) == (("a", "b"), frozenset({"x"}))


def test_of_a_single_field_sent_twice_the_last_filled_one_counts(small: Flask) -> None:
    assert posted(small, {"name": ["Ana", "Ben", ""]}).name == "Ben"


@pytest.mark.parametrize(
    "strange", ["role", "unit_id", "amount_minor", "status", "", "__class__", "model_config"]
)
@pytest.mark.parametrize("value", ["x", ""])
def test_fields_that_are_not_listed_are_refused_empty_or_not(small: Flask, strange: str, value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        posted(small, {"name": "Ana", strange: value})
    assert "This field is not known here." in refused.value.problems.values()


@pytest.mark.parametrize("value", ["a\0b", "\x1b", "two\nlines", "x" * 201])
def test_text_that_does_not_fit_is_refused(small: Flask, value: str) -> None:
    with pytest.raises(InvalidInput):
        posted(small, {"name": value})


def test_query_is_read_the_same_way(small: Flask) -> None:
    client = small.test_client()
    assert client.get("/search?q=%20x%20&tags=a&tags=b").get_json() == {"q": "x", "tags": ["a", "b"]}
    assert client.get("/search").get_json() == {"q": "", "tags": []}
    assert client.get("/search?page=2").status_code == 422
    assert client.get("/search?q=%00").status_code == 422
    assert client.get("/search?q=%ff").status_code == 200, (
        "bytes that are no UTF-8 are replaced before we see them"
    )
    with small.test_request_context("/x?name=Ana&maybe=5"):
        assert read_query(Typed).maybe == 5
