"""What a page may know of a frozen question: nothing that depends on its key."""

from dataclasses import dataclass

from markupsafe import Markup

from curriculum.drawing import FrozenQuestion, rights_of
from curriculum.markdown import render_rich
from curriculum.questions import Kind, RichText


@dataclass(frozen=True)
class ShownOption:
    """Something to choose: the token that a form sends back, and what people read."""

    token: str
    html: Markup


@dataclass(frozen=True)
class ShownQuestion:
    """A question as the page shows it. `has_blank`: a blank stands between `html` and `tail_html`.

    `options` for single, multiple and truefalse (True first); `lefts` and `rights` for matching.
    """

    token: str
    kind: Kind
    html: Markup
    tail_html: Markup
    has_blank: bool
    options: tuple[ShownOption, ...]
    lefts: tuple[ShownOption, ...]
    rights: tuple[ShownOption, ...]


def shown(frozen: FrozenQuestion) -> ShownQuestion:
    """The question without weights, feedback, title, id, tags and notes; texts are safe HTML."""
    question = frozen.question
    choices = tuple(
        ShownOption(each.token, render_rich(question.choices[each.place].text))
        for each in (frozen.options if question.choices else ())
    )
    lefts = tuple(
        ShownOption(each.token, render_rich(question.pairs[each.place].left))
        for each in (frozen.options if question.pairs else ())
    )
    names = rights_of(question)
    return ShownQuestion(
        token=frozen.token,
        kind=question.kind,
        html=render_rich(question.text),
        tail_html=render_rich(RichText(text=question.tail, format=question.text.format)),
        has_blank=bool(question.tail),
        options=choices,
        lefts=lefts,
        rights=tuple(ShownOption(each.token, _plain(names[each.place])) for each in frozen.rights),
    )


def _plain(text: str) -> Markup:
    return render_rich(RichText(text=text, format="plain"))
