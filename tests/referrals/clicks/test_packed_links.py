import tracemalloc

import pytest

from core.ids import new_id
from referrals.clicks import packed_links
from referrals.clicks.packed_links import HOT, KnownLink, PackedLinks, Way

WAY = Way("unit", "https://shop.example/?utm_source=advocate&spk=", "#top", 86_400, 0, 2**62)


def link(number: int, way: Way = WAY) -> tuple[str, KnownLink]:
    return f"code-{number}", KnownLink(f"link{number}\tmember{number}", way)


def test_every_link_is_found_as_it_was_packed_and_no_other() -> None:
    later = WAY._replace(starts_ms=1_000)
    links = [link(number, later if number % 3 else WAY) for number in range(2_000)]
    packed = PackedLinks(links)
    assert [packed.find(code) for code, _known in links] == [known for _code, known in links]
    assert packed.find("code-2000") is None
    assert packed.find("") is None
    assert PackedLinks().find("code-1") is None
    assert len(packed) == 2_000
    assert dict(packed) == dict(links)


def test_codes_with_the_same_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_links, "hash", len, raising=False)
    links = [link(number) for number in range(10)] + [("z", KnownLink("z\tz", WAY))]
    packed = PackedLinks(links)
    assert [packed.find(code) for code, _known in links] == [known for _code, known in links]
    assert packed.find("code-x") is None


def test_more_links_than_are_kept_at_hand_are_found_again_and_again() -> None:
    links = [link(number) for number in range(HOT + 100)]
    packed = PackedLinks(links)
    for _ in range(2):
        assert all(packed.find(code) == known for code, known in links)


def test_a_link_takes_a_hundred_bytes_at_most() -> None:
    number = 20_000
    tracemalloc.start()
    packed = PackedLinks(
        (f"code{each:06d}", KnownLink(f"{new_id()}\t{new_id()}", WAY)) for each in range(number)
    )
    used, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(packed) == number
    assert used / number < 100
