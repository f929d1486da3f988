"""Many links in little room, for the click path: some 90 bytes each, where objects take four times as many."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

HOT = 8_192
_HALF = 32
_LOW = 0xFFFF_FFFF
_END = ord("\n")


class Way(NamedTuple):
    """What many links have in common, kept once."""

    unit_id: str
    before: str
    after: str
    """what stands around the token in the visitor's new address"""
    cookie_s: int
    """how long a click counts"""
    starts_ms: int
    ends_ms: int
    """from when until before when the link forwards, in milliseconds since 1970"""


class KnownLink(NamedTuple):
    """What the click path needs of a link."""

    whose: str
    """member and link, as in a journal line"""
    way: Way


class PackedLinks:
    """Links by code: packed once, each code once, and then only read, by any number of threads.

    A link is a line of text. Where its line begins stands behind the hash of its code, and these numbers are sorted.
    """

    def __init__(self, links: Iterable[tuple[str, KnownLink]] = ()) -> None:
        self._lines = bytearray()
        self._ways: list[Way] = []
        self._hot: dict[str, KnownLink] = {}
        self._places = array("Q", sorted(self._packed(links)))

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[tuple[str, KnownLink]]:
        for place in self._places:
            yield self._at(place & _LOW)

    def find(self, code: str) -> KnownLink | None:
        """The link of a code; the ones asked for lately are at hand."""
        known = self._hot.get(code)
        if known is None:
            known = self._sought(code)
            if known is not None:
                if len(self._hot) >= HOT:
                    self._hot.clear()
                self._hot[code] = known
        return known

    def _packed(self, links: Iterable[tuple[str, KnownLink]]) -> Iterator[int]:
        numbers: dict[Way, int] = {}
        for code, (whose, way) in links:
            yield _high(code) | len(self._lines)
            number = numbers.setdefault(way, len(numbers))
            if number == len(self._ways):
                self._ways.append(way)
            self._lines += f"{code}\t{number}\t{whose}\n".encode()

    def _sought(self, code: str) -> KnownLink | None:
        places, high = self._places, _high(code)
        at = bisect_left(places, high)
        while at < len(places) and places[at] & ~_LOW == high:  # another code may have the same hash
            known, link = self._at(places[at] & _LOW)
            if known == code:
                return link
            at += 1
        return None

    def _at(self, begin: int) -> tuple[str, KnownLink]:
        line = self._lines[begin : self._lines.index(_END, begin)].decode()
        code, number, whose = line.split("\t", 2)
        return code, KnownLink(whose, self._ways[int(number)])


def _high(code: str) -> int:
    """The code's hash in the upper half of 64 bits."""
    return (hash(code) & _LOW) << _HALF
