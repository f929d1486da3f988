"""What a quiz page sends beside its answers: the number of its last save, and whether open questions are meant."""

from collections.abc import Mapping

from pydantic import Field, ValidationError

from core.inputs import Input, refuse


class WindowForm(Input):
    """The window's own fields; the answers are read by `attempts.read_answers`."""

    seq: int = Field(default=0, ge=0, le=10**9)
    anyway: bool = False

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> "WindowForm":
        """The window's fields among those of a form; raises InvalidInput."""
        known = {name: fields[name] for name in cls.model_fields if fields.get(name)}
        try:
            return cls.model_validate(known)
        except ValidationError as error:
            raise refuse(error) from error
