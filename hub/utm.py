"""UTM parameters as a programme wants them: a template with placeholders, checked when written, filled for each link."""

import re
from collections.abc import Mapping
from typing import Literal, get_args

from core.errors import Invalid

UtmField = Literal["source", "medium", "campaign", "content", "term"]
FIELDS: tuple[UtmField, ...] = get_args(UtmField)
PLACEHOLDERS = ("code", "campaign", "programme", "unit")
LONGEST = 100
_PLACEHOLDER = re.compile(r"\{(\w*)\}")


class WrongUtm(Invalid):
    """A UTM field is text with the placeholders {code}, {campaign}, {programme} and {unit}, and no other braces."""


def usual_template() -> dict[str, str]:
    """What a programme begins with."""
    return {"source": "advocate", "medium": "referral", "campaign": "{campaign}"}


def checked_template(given: Mapping[str, str]) -> dict[str, str]:
    """The template without its empty fields, in the usual order; raises WrongUtm."""
    unknown = set(given) - set(FIELDS)
    if unknown:
        raise WrongUtm(f"UTM has no field {min(unknown)[:40]}. There are {', '.join(FIELDS)}.")
    return {name: _checked(name, given[name].strip()) for name in FIELDS if given.get(name, "").strip()}


def _checked(name: str, value: str) -> str:
    if len(value) > LONGEST:
        raise WrongUtm(f"The UTM field {name} takes up to {LONGEST} characters.")
    if not value.isprintable():
        raise WrongUtm(f"The UTM field {name} is one line of text.")
    unknown = [each for each in _PLACEHOLDER.findall(value) if each not in PLACEHOLDERS]
    if unknown:
        raise WrongUtm(
            f"There is no placeholder {{{unknown[0][:40]}}}. There are {{code}}, {{campaign}}, {{programme}} and {{unit}}."
        )
    if set("{}") & set(_PLACEHOLDER.sub("", value)):
        raise WrongUtm(
            f"A brace of the UTM field {name} has no partner. Placeholders look like {{campaign}}."
        )
    return value


def filled(template: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """The query parameters `utm_…` of a link, in the template's order; those that turn out empty are left out.

    `values`: placeholder → its value, for each of PLACEHOLDERS.
    """
    parameters = {f"utm_{name}": _filled(text, values) for name, text in template.items()}
    return {name: value for name, value in parameters.items() if value}


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], ""), text)
