"""What a question is: frozen, typed and plain JSON, so that it can be kept in releases and attempts as it was."""

from decimal import Decimal
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from curriculum.figures import Figure, Weight
from curriculum.writings import MARK, Label, Prose, SingleLine

Kind = Literal["single", "multiple", "truefalse", "short", "numerical", "matching", "essay", "description"]
Format = Literal["html", "markdown", "moodle", "plain"]
FORMATS: tuple[Format, ...] = get_args(Format)

MAX_CHOICES = 50
MAX_TAGS = 30
FULL = Decimal(100)


class Frozen(BaseModel):
    """The base of everything that can stand in a release: unchangeable, and nothing but its listed fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RichText(Frozen):
    """Text with the format it is written in; `moodle` is HTML in which a line break counts."""

    text: Prose
    format: Format = "moodle"


def _spoken(feedback: RichText | None) -> RichText | None:
    return feedback if feedback and feedback.text else None


Feedback = Annotated[RichText | None, AfterValidator(_spoken)]


class Choice(Frozen):
    """One answer to choose or to type; `weight` in percent of the question's mark, negative where it costs."""

    text: RichText
    weight: Weight = Decimal(0)
    feedback: Feedback = None


class NumberAnswer(Frozen):
    """Every number from `low` to `high`, both included; without bounds it stands for any other number.

    `form` remembers how it was written: value and tolerance, or a range.
    """

    low: Figure | None
    high: Figure | None
    form: Literal["tolerance", "range"] = "tolerance"
    weight: Weight = FULL
    feedback: Feedback = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if (self.low is None) != (self.high is None):
            raise ValueError("a range needs both its bounds")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("a range begins below its end")
        return self

    def holds(self, number: Decimal) -> bool:
        """Whether this answer covers the number."""
        return self.low is None or self.high is None or self.low <= number <= self.high


class Pair(Frozen):
    """What belongs together in a matching question; a right side without a left one is a distractor."""

    left: RichText
    right: Annotated[SingleLine, Field(min_length=1, max_length=500)]


class Question(Frozen):
    """A question with its key. `tail` follows a blank in mid-sentence; `note` and `tags` are for its authors only.

    `choices` serve single, multiple, truefalse (True first, then False) and short (tried in order);
    `numbers` serve numerical (tried in order); `pairs` serve matching.
    """

    id: Label | None = None
    title: Annotated[SingleLine, Field(max_length=255)] = ""
    kind: Kind
    text: RichText
    tail: Prose = ""
    choices: Annotated[tuple[Choice, ...], Field(max_length=MAX_CHOICES)] = ()
    numbers: Annotated[tuple[NumberAnswer, ...], Field(max_length=MAX_CHOICES)] = ()
    pairs: Annotated[tuple[Pair, ...], Field(max_length=MAX_CHOICES)] = ()
    feedback: Feedback = None
    tags: Annotated[tuple[Label, ...], Field(max_length=MAX_TAGS)] = ()
    category: Annotated[SingleLine, Field(max_length=500)] = ""
    note: Prose = ""

    @field_validator("note")
    @classmethod
    def _plain_note(cls, note: str) -> str:
        if any(MARK.search(line) for line in note.split("\n")):
            raise ValueError("a note holds neither ids nor tags; they have fields of their own")
        return "\n".join(line.strip() for line in note.split("\n"))

    @model_validator(mode="after")
    def _answerable(self) -> Self:
        from curriculum.answerable import fault  # here, because the rules read the model

        sentence = fault(self)
        if sentence:
            raise ValueError(sentence)
        return self

    @property
    def is_graded(self) -> bool:
        """Whether the key alone decides; essays need a person, descriptions ask nothing."""
        return self.kind not in ("essay", "description")

    def to_json(self) -> dict[str, JsonValue]:
        """The question as plain JSON values; figures are decimal strings."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, values: JsonValue) -> Self:
        """The question that `to_json` wrote; raises pydantic's ValidationError on anything else."""
        return cls.model_validate(values)
