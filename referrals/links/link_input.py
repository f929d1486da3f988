"""What a machine may say of a link."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StrictStr, model_validator
from pydantic.types import StringConstraints

from core.inputs import Email, Input, Key, Moment, Slug


def in_utc(value: datetime) -> datetime:
    """The moment in UTC; refuses those of year 1 or 9999 whose zone leads beyond."""
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("this moment is out of range") from error


When = Annotated[Moment, AfterValidator(in_utc)]
Destination = Annotated[StrictStr, StringConstraints(min_length=1, max_length=2_000)]
Campaign = Annotated[StrictStr, StringConstraints(max_length=60, pattern=r"^[\w .-]*$")]
Written = Annotated[StrictStr, StringConstraints(min_length=1, max_length=40)]


class WantedLink(Input):
    """A link for an advocate, who is named by id, or by e-mail (with the programme, where it is one of several)."""

    advocate_id: Key | None = Field(default=None, description="as in /api/v1/advocates")
    email: Email | None = None
    programme: Slug | None = Field(default=None, description="the programme's short name")
    code: Written | None = Field(default=None, description="made up from the first name when it is missing")
    destination: Destination | None = Field(
        default=None, description="the programme's home address when missing"
    )
    campaign: Campaign = ""
    coupon: Written | None = None
    starts_at: When | None = Field(
        default=None,
        description="now when it is missing; not before now (5 minutes are overlooked), within 5 years",
    )
    ends_at: When | None = Field(default=None, description="after the start, within 5 years; null: none")

    @model_validator(mode="after")
    def _somebody(self) -> "WantedLink":
        if (self.advocate_id is None) == (self.email is None):
            raise ValueError("name the advocate by advocate_id or by email")
        return self


class LinkChanges(Input):
    """What is changed of a link; what is not named stays."""

    destination: Destination | None = None
    campaign: Campaign | None = None
    coupon: Written | None = Field(default=None, description="null: none")
    ends_at: When | None = Field(default=None, description="within 5 years; null: for good")

    @model_validator(mode="after")
    def _something(self) -> "LinkChanges":
        if not self.model_fields_set:
            raise ValueError("name at least one of destination, campaign, coupon and ends_at")
        if None in {getattr(self, name) for name in self.model_fields_set - {"coupon", "ends_at"}}:
            raise ValueError("only coupon and ends_at can be null")
        return self
