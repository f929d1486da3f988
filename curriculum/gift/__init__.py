"""GIFT, the plain-text format for questions: read it with `parse_gift`, write it with `write_gift`."""

from curriculum.gift.problems import GiftProblem
from curriculum.gift.reading import parse_gift
from curriculum.gift.writing import write_gift

__all__ = ["GiftProblem", "parse_gift", "write_gift"]
