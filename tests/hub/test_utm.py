import pytest

from hub.utm import WrongUtm, checked_template, filled, usual_template

VALUES = {"code": "ana", "campaign": "spring fair", "programme": "makers", "unit": "north"}


def test_the_usual_template_names_advocate_referral_and_campaign() -> None:
    assert filled(usual_template(), VALUES) == {
        "utm_source": "advocate",
        "utm_medium": "referral",
        "utm_campaign": "spring fair",
    }


def test_every_placeholder_is_filled_and_what_turns_out_empty_is_left_out() -> None:
    template = checked_template(
        {"term": "{campaign}", "source": " {programme}-{unit} ", "content": "{code}", "medium": ""}
    )
    assert list(template) == ["source", "content", "term"]
    assert filled(template, {**VALUES, "campaign": ""}) == {
        "utm_source": "makers-north",
        "utm_content": "ana",
    }


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"source": "{name}"}, "no placeholder {name}"),
        ({"source": "{}"}, "no placeholder {}"),
        ({"medium": "a{code"}, "has no partner"),
        ({"medium": "code}"}, "has no partner"),
        ({"medium": "{{code}}"}, "has no partner"),
        ({"campaign": "x" * 101}, "up to 100 characters"),
        ({"content": "a\nb"}, "one line"),
        ({"colour": "red"}, "no field colour"),
    ],
)
def test_what_no_template_is(given: dict[str, str], says: str) -> None:
    with pytest.raises(WrongUtm) as refused:
        checked_template(given)
    assert says in refused.value.sentence


def test_a_value_that_looks_like_a_placeholder_is_not_filled_again() -> None:
    assert filled({"source": "{campaign}"}, {**VALUES, "campaign": "{code}"}) == {"utm_source": "{code}"}
