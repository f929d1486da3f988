"""A figure is printed beside its reference of the same run, as a ratio, with the goal it is held against."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """What a ratio has to be at least (or, with `at_most`, at most), and what we aim at."""

    must: float
    aim: float | None = None
    at_most: bool = False

    def verdict(self, ratio: float) -> str:
        """`aim`, `must` or `missed`."""
        if self.aim is not None and self._holds(ratio, self.aim):
            return "aim"
        return "must" if self._holds(ratio, self.must) else "missed"

    def words(self) -> str:
        """The goal as it is printed."""
        sign = "<=" if self.at_most else ">="
        return f"must {sign} {self.must:g}" + (f", aim {sign} {self.aim:g}" if self.aim is not None else "")

    def _holds(self, ratio: float, bound: float) -> bool:
        return ratio <= bound if self.at_most else ratio >= bound


def say(what: str, unit: str, ours: Sequence[float], theirs: Sequence[float], goal: Goal) -> bool:
    """Print the medians of interleaved runs (`ours`, `theirs`), their ratio and the verdict; whether the must is reached."""
    mine, reference = statistics.median(ours), statistics.median(theirs)
    ratio = mine / reference
    print(
        f"{what}: {mine:,.4g} {unit} / {reference:,.4g} {unit} = {ratio:.3g}  [{goal.words()}: {goal.verdict(ratio)}]"
    )
    return goal.verdict(ratio) != "missed"


def say_alone(what: str, unit: str, values: Sequence[float], goal: Goal) -> bool:
    """The same for a figure whose goal is absolute."""
    mine = statistics.median(values)
    print(f"{what}: {mine:,.4g} {unit}  [{goal.words()}: {goal.verdict(mine)}]")
    return goal.verdict(mine) != "missed"


def skipped(what: str, why: str) -> None:
    """A figure that cannot be had here, by name."""
    print(f"{what}: skipped, {why}")
