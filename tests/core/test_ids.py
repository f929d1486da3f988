"""Identifiers: one after the other in a process, and nobody can guess the next."""

import re
from itertools import pairwise

from core.ids import ID_PATTERN, new_id, new_ids
from tests.at_once import at_once

MANY = 5_000


def test_ids_of_a_process_ascend_also_within_a_millisecond() -> None:
    made = [*new_ids(MANY), new_id()]
    assert made == sorted(set(made))
    assert all(re.fullmatch(ID_PATTERN, each) for each in made)


def test_threads_never_get_the_same_one() -> None:
    made = [each for some in at_once(*[lambda: new_ids(MANY)] * 4) if isinstance(some, list) for each in some]
    assert len(set(made)) == 4 * MANY


def test_the_next_one_cannot_be_guessed_from_those_before() -> None:
    numbers = [
        int(each.translate(str.maketrans("jkmnpqrstvwxyz", "ijklmnopqrstuv")), 32) for each in new_ids(MANY)
    ]
    steps = {after - before for before, after in pairwise(numbers)}
    assert len(steps) == MANY - 1
    assert min(steps) > 2**32  # of 64 random bits; a smaller step is a matter of one in a million runs
