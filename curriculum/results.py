"""Results: what somebody may see of a finished attempt, question by question, as the feedback policy allows."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from markupsafe import Markup, escape

from curriculum.attempts import Attempt, questions_of
from curriculum.contents import FeedbackPolicy
from curriculum.drawing import FrozenQuestion, rights_of
from curriculum.grading import ALL, NOTHING, explain
from curriculum.markdown import render_rich
from curriculum.responses import Response
from curriculum.retakes import Standing
from curriculum.showing import ShownQuestion, shown

Worth = Literal["right", "partly", "wrong"]


@dataclass(frozen=True)
class Reviewed:
    """A question with what was answered, what that was worth, and what its authors say about it."""

    question: ShownQuestion
    given: tuple[Markup, ...]
    worth: Worth
    remarks: tuple[Markup, ...]
    feedback: Markup | None


def may_see_feedback(policy: FeedbackPolicy, attempt: Attempt, standing: Standing) -> bool:
    """Whether the policy shows feedback to this attempt: never, once passed, or once no attempt is left as well."""
    if policy == "never" or attempt.state != "finished":
        return False
    return bool(attempt.passed) or (policy == "after_last_attempt" and standing.attempts_left == 0)


def reviewed(attempt: Attempt) -> list[Reviewed]:
    """Every question of an attempt with its feedback; ask `may_see_feedback` first."""
    return [_reviewed(each, attempt.answers.get(each.token)) for each in questions_of(attempt)]


def _reviewed(frozen: FrozenQuestion, response: Response | None) -> Reviewed:
    graded = explain(frozen, response)
    fraction = graded.fraction if graded else NOTHING
    return Reviewed(
        question=shown(frozen),
        given=given(frozen, response),
        worth=_worth(fraction),
        remarks=graded.remarks if graded else (),
        feedback=graded.feedback if graded else None,
    )


def _worth(fraction: Decimal) -> Worth:
    if fraction == ALL:
        return "right"
    return "partly" if fraction > NOTHING else "wrong"


def given(frozen: FrozenQuestion, response: Response | None) -> tuple[Markup, ...]:
    """What was answered, in words as safe HTML; nothing for no answer."""
    places = {each.token: each.place for each in frozen.options}
    question = frozen.question
    match response:
        case None:
            return ()
        case dict():
            names, rights = rights_of(question), {each.token: each.place for each in frozen.rights}
            return tuple(
                Markup("{} → {}").format(render_rich(question.pairs[places[left]].left), names[rights[right]])
                for left, right in response.items()
            )
        case list():
            return tuple(render_rich(question.choices[places[each]].text) for each in response)
        case _ if question.kind in ("single", "truefalse"):
            return (render_rich(question.choices[places[response]].text),)
        case _:
            return (escape(response),)
