"""What one attempt is about: questions drawn from a bank and frozen with their order and opaque tokens."""

import random
from collections.abc import Collection, Sequence

from pydantic import JsonValue

from curriculum.questions import Frozen, Question


class Token(Frozen):
    """An opaque name, good for one attempt, and the place in the question that it stands for."""

    token: str
    place: int


class FrozenQuestion(Frozen):
    """A question as one attempt holds it, key and all; it is stored and never sent to a page.

    `options` name choices, or the left sides of pairs, in the order shown; `rights` name places in `rights_of`.
    """

    token: str
    question: Question
    options: tuple[Token, ...] = ()
    rights: tuple[Token, ...] = ()

    def to_json(self) -> dict[str, JsonValue]:
        """The frozen question as plain JSON values."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, values: JsonValue) -> "FrozenQuestion":
        """What `to_json` wrote."""
        return cls.model_validate(values)


def draw(
    bank: Sequence[Question], size: int, seen_ids: Collection[str], rng: random.Random
) -> list[Question]:
    """`size` graded questions in random order, those not seen before first; all of them when the bank is smaller."""
    graded = [question for question in bank if question.is_graded]
    rng.shuffle(graded)
    graded.sort(key=lambda question: question.id in seen_ids)  # stable: unseen first, each part shuffled
    drawn = graded[:size]
    rng.shuffle(drawn)
    return drawn


def freeze(question: Question, rng: random.Random, *, shuffle: bool = True) -> FrozenQuestion:
    """The question with an order and tokens of its own. Neither depends on which answer is right.

    Pass `random.SystemRandom()` in earnest, so that tokens cannot be foretold.
    """
    token = _token(rng)
    match question.kind:
        case "single" | "multiple":
            options = _tokens(range(len(question.choices)), rng, shuffle=shuffle)
        case "truefalse":
            options = _tokens(range(len(question.choices)), rng, shuffle=False)
        case "matching":
            asked = [place for place, pair in enumerate(question.pairs) if pair.left.text]
            options = _tokens(asked, rng, shuffle=shuffle)
        case _:
            options = ()
    # What stands on the right is sorted before it is shuffled: the order of the pairs is the key.
    rights = _tokens(range(len(rights_of(question))), rng, shuffle=True)
    return FrozenQuestion(token=token, question=question, options=options, rights=rights)


def rights_of(question: Question) -> tuple[str, ...]:
    """The different right sides of a matching question, sorted."""
    return tuple(sorted({pair.right for pair in question.pairs}))


def _tokens(places: Sequence[int], rng: random.Random, *, shuffle: bool) -> tuple[Token, ...]:
    order = list(places)
    if shuffle:
        rng.shuffle(order)
    return tuple(Token(token=_token(rng), place=place) for place in order)


def _token(rng: random.Random) -> str:
    return f"{rng.getrandbits(64):016x}"
