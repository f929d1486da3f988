"""Input models: only listed fields, nothing that cannot be stored, refusals in sentences."""

from contextlib import suppress
from decimal import Decimal
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, StrictInt, ValidationError, model_validator

from core.inputs import Currency, Input, InvalidInput, Key, Line, Moment, Paragraphs, Sum, refuse


class Typed(Input):
    """What somebody typed."""

    name: Line
    about: Paragraphs = ""
    reference: Key = "none"
    currency: Currency = "EUR"
    amount_minor: StrictInt = 0
    price: Sum = Decimal(0)
    at: Moment | None = None
    more: dict[str, list[str]] | None = None


def read(**values: object) -> Typed:
    try:
        return Typed.model_validate(values)
    except ValidationError as error:
        raise refuse(error) from error


def problems(**values: object) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refused:
        read(**values)
    assert refused.value.status == 422
    assert refused.value.details == {"fields": refused.value.problems}
    return refused.value.problems


def test_text_is_trimmed_and_kept_as_it_is() -> None:
    assert read(name="  Zoë 李 יעל \U0001f600 ").name == "Zoë 李 יעל \U0001f600"
    assert read(name="A", about="two\nlines\tand a tab").about == "two\nlines\tand a tab"


@pytest.mark.parametrize("wrong", ["a\0b", "\x1b[31m", "\x7f", "\x85", "a\ud800b", "\udfff"])
def test_text_that_cannot_be_stored_is_refused_wherever_it_hides(wrong: str) -> None:
    sentence = "Contains characters that cannot be stored."
    assert problems(name=wrong) == {"name": sentence}
    assert problems(name="A", about=wrong) == {"about": sentence}
    assert problems(name="A", more={"list": ["fine", wrong]}) == {"more": sentence}
    assert problems(name="A", more={wrong: []}) == {"more": sentence}


@pytest.mark.parametrize(
    "wrong", ["two\nlines", "two\rlines", "a\tb", "a\N{LINE SEPARATOR}b", "a\N{PARAGRAPH SEPARATOR}b"]
)
def test_one_line_has_no_line_breaks(wrong: str) -> None:
    assert problems(name=wrong) == {"name": "Must be a single line."}


@pytest.mark.parametrize("code", [0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
def test_marks_that_turn_the_direction_of_writing_are_taken_out_of_a_line(code: int) -> None:
    turning = chr(code)
    assert read(name=f"{turning} An{turning}a {turning}").name == "Ana"
    assert read(name=f"{'A' * 200}{turning}").name == "A" * 200
    assert problems(name=turning * 3) == {"name": "This is required."}
    assert read(name="A", about=f"a{turning}b").about == f"a{turning}b"


@pytest.mark.parametrize("empty", ["", "   ", "\n"])
def test_empty_line_is_a_missing_one(empty: str) -> None:
    assert problems(name=empty) == {"name": "This is required."}
    assert problems() == {"name": "This is required."}


def test_fields_that_are_not_listed_are_refused_by_name() -> None:
    found = problems(name="A", role="hub_admin", unit_id="x")
    assert found == {"role": "This field is not known here.", "unit_id": "This field is not known here."}


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("reference", "two words"), ("reference", "é"), ("reference", "x\n"), ("currency", "eur"), ("currency", "EUR\n"),
     ("currency", "ＥＵＲ"), ("amount_minor", "5"), ("amount_minor", 5.0), ("amount_minor", True),
     ("at", "2026-01-01T00:00:00"), ("at", "soon"), ("at", "1762078500"), ("at", 1_762_078_500),
     ("at", "2026-01-01"), ("at", "2026-01-01T00:00:00\N{MINUS SIGN}01:00"), ("about", "x" * 5001), ("name", "x" * 201), ("name", 7), ("name", None)],
)  # fmt: skip
def test_values_of_another_kind_are_refused_with_a_sentence(field: str, wrong: object) -> None:
    if isinstance(wrong, str) and wrong.endswith("\n"):
        assert read(**{"name": "A", field: wrong}), "space around text is taken off, line breaks too"
        return
    sentence = problems(**{"name": "A", field: wrong})[field]
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert "pattern" not in sentence


@pytest.mark.parametrize(
    ("typed", "meant"), [("12", "12"), (" 12.50 ", "12.50"), ("0.0001", "0.0001"), ("007", "7")]
)
def test_a_sum_is_written_in_digits(typed: str, meant: str) -> None:
    assert read(name="A", price=typed).price == Decimal(meant)


@pytest.mark.parametrize("wrong", ["1e5", "1_000", "+5", "-0", "-5", "٣", "1,000", "12,50", ".5", "NaN", "Infinity", "1" * 16, "0.00001", ""])  # fmt: skip
def test_what_only_a_computer_takes_for_a_sum_is_refused(wrong: str) -> None:
    assert problems(name="A", price=wrong)["price"]


def test_what_was_read_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        read(name="A").name = "B"  # type: ignore[misc]  # frozen on purpose


def test_refusal_names_nested_fields_with_dots_and_at_most_fifty() -> None:
    assert list(problems(name="A", more={"key": ["fine", 5]})) == ["more.key.1"]
    many = problems(name="A", **{f"field{number}": 1 for number in range(200)})
    assert len(many) == 50


class Limited(Input):
    """What has limits."""

    kind: Literal["lead", "sale"] = "lead"
    number: Annotated[int, Field(gt=0, le=500)] = 1
    rate: Annotated[int, Field(ge=2, lt=5)] = 2
    few: Annotated[list[str], Field(max_length=1)] = []  # noqa: RUF012 - pydantic copies it
    sure: bool = False
    inner: Typed | None = None
    part: int = 0
    whole: int = 1

    @model_validator(mode="after")
    def _fits(self) -> "Limited":
        if self.part > self.whole:
            raise ValueError("{part} is no more than {whole}")
        return self


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ([], {"request": "This has to be a JSON object."}),
        ({"inner": []}, {"inner": "This has to be a JSON object."}),
        ({"kind": "gift"}, {"kind": "This has to be 'lead' or 'sale'."}),
        ({"number": 0, "rate": 5}, {"number": "This has to be more than 0.", "rate": "This has to be less than 5."}),
        ({"number": 501, "rate": 1}, {"number": "This has to be at most 500.", "rate": "This has to be at least 2."}),
        ({"number": "x", "few": ["a", "b"]}, {"number": "This has to be a whole number.", "few": "This has more than 1 entries."}),
        ({"few": "a", "sure": "perhaps"}, {"few": "This has to be a list.", "sure": "This has to be true or false."}),
        ({"inner": {"name": "x" * 201, "about": 5}}, {"inner.name": "This has more than 200 characters.", "inner.about": "This has to be text."}),
        ({"part": 2}, {"request": "part is no more than whole."}),
    ],
)  # fmt: skip
def test_limits_are_said_in_plain_words(sent: object, words: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as wrong:
        Limited.model_validate(sent)
    assert refuse(wrong.value).problems == words


def test_a_door_refuses_in_its_own_words() -> None:
    with pytest.raises(ValidationError) as wrong:
        Limited.model_validate({"part": 2})
    assert refuse(wrong.value, {"part": "tax", "whole": "amount"}).problems == {
        "request": "tax is no more than amount."
    }
    with pytest.raises(ValidationError) as wrong:
        Limited.model_validate({"part": "x", "inner": {"name": ""}})
    named = refuse(wrong.value, {"part": "tax", "inner.name": "customer"}).problems
    assert named == {"tax": "This has to be a whole number.", "customer": "This is required."}


@given(st.dictionaries(st.sampled_from(["name", "about", "reference", "more", "at", "other"]), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6)))  # fmt: skip
def test_whatever_is_sent_is_read_or_refused_and_what_is_read_can_be_stored(sent: dict[str, object]) -> None:
    with suppress(InvalidInput):
        typed = read(**sent)
        assert "\0" not in typed.name
        assert typed.model_dump_json().encode()
