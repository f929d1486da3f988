"""JSON from outside is read strictly, and nothing that is sent is a 500."""

import json

import pytest
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as generated
from hypothesis import strategies as st

from core.strict_json import MAX_DEPTH, WrongJson, strict_json

REFUSED = {
    "NaN": "NaN is not a JSON number.", '{"a": Infinity}': "Infinity is not a JSON number.", "[-Infinity]": "-Infinity is not a JSON number.",
    '{"a": 1, "a": 2}': "This JSON names a field twice.", '{"x": {"a": 1, "\\u0061": 2}}': "This JSON names a field twice.",
    "9" * 19: "This JSON has a number of more than 18 digits.", "-" + "9" * 5_000: "This JSON has a number of more than 18 digits.",
    "1e400": "This JSON has a number that is too large.", "-1e999": "This JSON has a number that is too large.",
    "0." + "1" * 99: "This JSON has a number of more than 36 digits.",
    "[" * 21 + "]" * 21: "This JSON is nested more than 20 deep.", '{"a":' * 30 + "1" + "}" * 30: "This JSON is nested more than 20 deep.",
    "[" * 500_000: "This is not valid JSON.", "": "This is not valid JSON.", "{": "This is not valid JSON.", "{'a': 1}": "This is not valid JSON.",
    "\ufeff{}": "This is not valid JSON.", "{} {}": "This is not valid JSON.", "// x": "This is not valid JSON.", '"\n"': "This is not valid JSON.",
}  # fmt: skip


@pytest.mark.parametrize("document", REFUSED, ids=range(len(REFUSED)))
def test_document_is_refused_with_its_reason(document: str) -> None:
    with pytest.raises(WrongJson) as refused:
        strict_json(document.encode())
    assert (refused.value.status, refused.value.sentence) == (400, REFUSED[document])


@pytest.mark.parametrize("raw", [b"\xff", b'"\xc3"', "{}".encode("utf-16"), b"\x00"])
def test_bytes_that_are_no_utf8_are_refused(raw: bytes) -> None:
    with pytest.raises(WrongJson):
        strict_json(raw)


@pytest.mark.parametrize(
    "value", [None, True, 0, -(10**18) + 1, 1.5, "Zoë \U0001f600", [], {}, {"a": [1, {"b": None}]}]
)
def test_good_document_is_what_it_says(value: object) -> None:
    assert strict_json(json.dumps(value).encode()) == value


def test_deepest_allowed_nesting_is_read() -> None:
    strict_json(("[" * (MAX_DEPTH - 1) + "1" + "]" * (MAX_DEPTH - 1)).encode())


@given(st.recursive(st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20))  # fmt: skip
def test_any_small_document_goes_in_as_it_came(value: object) -> None:
    raw = json.dumps(value).encode()
    try:
        assert strict_json(raw) == value
    except WrongJson as refused:
        assert "deep" in refused.sentence  # noqa: PT017 - the only reason left


@pytest.mark.parametrize(
    "media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/xml"]
)
def test_json_needs_its_content_type(small: Flask, media: str) -> None:
    answer = small.test_client().post("/api/person", data=b'{"name": "ana"}', content_type=media)
    assert (answer.status_code, answer.get_json()["error"]) == (415, "UnsupportedMedia")


def test_content_type_may_name_its_character_set(small: Flask) -> None:
    answer = small.test_client().post(
        "/api/person", data=b'{"name": "ana"}', content_type="application/json; charset=utf-8"
    )
    assert answer.status_code == 201


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[]), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "age", "tags", "amount_minor", "x"]), inner), max_leaves=6,
)  # fmt: skip


@given(ANY_JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=30))
@generated(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
def test_whatever_is_sent_is_taken_or_refused(small: Flask, raw: bytes) -> None:
    answer = small.test_client().post("/api/person", data=raw, content_type="application/json")
    assert answer.status_code in {201, 400, 409, 422}
    assert answer.is_json
