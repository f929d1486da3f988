import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest
from sqlmodel import select

from core import db
from core.clock import day_number, now
from core.settings import Settings
from hub import metrics
from referrals.clicks import click_facts, clicks, journal, link_proof
from referrals.clicks.clicks import Click, JournalOffset, LinkTally, ingest, journal_lag
from referrals.clicks.journal_lines import ClickRecord, Piece, fields_of, line_of
from referrals.clicks.lost_clicks import losses
from referrals.links import link_figures
from referrals.links.links import Link
from tests.factories import Cast
from tests.referrals.stories import Visitors, make_earner, make_link


@pytest.fixture
def link(cast: Cast) -> Link:
    metrics.metric_from("clicks", click_facts.facts)
    with db.transaction():
        return make_link(make_earner(cast.programme), "ana")


def records(link: Link, number: int, *, begin: int = 0) -> list[ClickRecord]:
    whose, day = (link.unit_id, link.membership_id, link.id), day_number(now())
    return [
        ClickRecord(*whose, day, True, "", "", "", "", "", f"{each:026d}")
        for each in range(begin, begin + number)
    ]


def segment_of(settings: Settings, *lines: bytes) -> Path:
    folder = settings.data_dir / "journal"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{len(list(folder.iterdir())):04d}.journal"
    path.write_bytes(b"".join(lines))
    return path


def lines(them: list[ClickRecord]) -> bytes:
    return b"".join(line_of(fields_of(each)) for each in them)


def stored() -> int:
    with db.transaction(read_only=True):
        return len(db.session().exec(select(Click.id)).all())


def counted(link: Link) -> tuple[int, int]:
    with db.transaction(read_only=True):
        tally = db.session().get(LinkTally, link.id)
        assert metrics.differences() == []
        return metrics.value_of("clicks", "all", link.membership_id), tally.clicks if tally else 0


def test_clicks_come_with_scoreboard_and_tally(visitors: Visitors, link: Link) -> None:
    for _ in range(3):
        visitors.click("ana")
    visitors.click("ana", "HEAD")
    assert ingest() == 4
    assert ingest() == 0
    assert counted(link) == (3, 3)


def test_phones_tablets_and_the_rest_of_one_link_are_all_counted_in_one_batch(
    settings: Settings, link: Link
) -> None:
    devices = ["mobile", "tablet", "desktop", "", "mobile", "tablet", "tablet", ""]
    made = [
        each._replace(device=device)
        for each, device in zip(records(link, len(devices)), devices, strict=True)
    ]
    segment_of(settings, lines(made))
    assert ingest() == 8
    assert counted(link) == (8, 8)
    with db.transaction(read_only=True):
        assert link_proof.differences() == []
        assert link_figures.figures_of(link.id, 7).handheld == 5


def test_a_living_segment_stays_and_a_finished_one_goes_with_its_offset(
    settings: Settings, visitors: Visitors, link: Link
) -> None:
    visitors.click("ana")
    ingest()
    assert len(journal.segments(clicks.folder())) == 1
    visitors.click("ana")
    visitors.leave()
    assert ingest() == 1
    assert journal.segments(clicks.folder()) == []
    with db.transaction(read_only=True):
        assert db.session().exec(select(JournalOffset)).all() == []
    assert counted(link) == (2, 2)


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(("place", "name"), [(journal, "empty"), (clicks, "_forget"), (journal, "remove")])
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_a_segment_is_put_away_although_the_clock_was_killed_while_doing_it(
    settings: Settings,
    link: Link,
    monkeypatch: pytest.MonkeyPatch,
    place: ModuleType,
    name: str,
    *,
    done: bool,
) -> None:
    real = getattr(place, name)

    def killed(segment: Path) -> None:
        if done:
            real(segment)
        raise Killed

    segment_of(settings, lines(records(link, 3)))
    monkeypatch.setattr(place, name, killed)
    with pytest.raises(Killed):
        ingest()
    monkeypatch.undo()
    assert ingest() == 0
    assert journal.segments(clicks.folder()) == []
    with db.transaction(read_only=True):
        assert db.session().exec(select(JournalOffset)).all() == []
    assert counted(link) == (3, 3)


def test_an_ingester_that_comes_late_leaves_no_offset_behind(
    settings: Settings, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = segment_of(settings, lines(records(link, 3))), journal.read

    def while_the_other_is_quicker(segment: Path, offset: int, *, finished: bool, most: int) -> Piece:
        monkeypatch.undo()
        piece = read(segment, offset, finished=finished, most=most)
        ingest()
        return piece

    monkeypatch.setattr(journal, "read", while_the_other_is_quicker)
    ingest()
    assert not path.exists()
    with db.transaction(read_only=True):
        assert db.session().exec(select(JournalOffset)).all() == []
    assert counted(link) == (3, 3)


def test_a_segment_that_cannot_be_read_does_not_keep_the_others(settings: Settings, link: Link) -> None:
    segment_of(settings, lines(records(link, 3)))
    (clicks.folder() / "0001.journal").mkdir()
    segment_of(settings, lines(records(link, 2, begin=3)))
    with pytest.raises(IsADirectoryError):
        ingest()
    assert stored() == 5
    with db.transaction(read_only=True):
        assert losses(clicks.folder()) == []
    assert counted(link) == (5, 5)


def test_what_is_not_in_the_database_yet_is_the_lag(settings: Settings, link: Link) -> None:
    raw = lines(records(link, 5))
    segment_of(settings, raw)
    with db.transaction(read_only=True):
        assert journal_lag() == len(raw)
    ingest()
    with db.transaction(read_only=True):
        assert journal_lag() == 0


def test_a_torn_tail_of_a_dead_writer_is_left_behind(settings: Settings, link: Link) -> None:
    them = records(link, 3)
    path = segment_of(settings, lines(them)[:-20])
    assert ingest() == 2
    assert not path.exists()
    assert counted(link) == (2, 2)


def test_many_batches_are_taken_in_one_run(
    settings: Settings, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clicks, "BATCH", 100)
    segment_of(settings, lines(records(link, 1_050)))
    assert ingest() == 1_050
    assert counted(link) == (1_050, 1_050)


def test_what_comes_while_a_batch_is_stored_waits_for_the_next_run(
    visitors: Visitors, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = clicks.store

    def store_while_somebody_clicks(records: Sequence[bytes]) -> int:
        visitors.click(link.code)
        return store(records)

    visitors.click(link.code)
    monkeypatch.setattr(clicks, "store", store_while_somebody_clicks)
    assert [ingest(), ingest()] == [1, 1]


def test_a_segment_that_is_read_again_adds_nothing(settings: Settings, link: Link) -> None:
    them = records(link, 20)
    segment_of(settings, lines(them[:10]))
    assert ingest() == 10
    segment_of(settings, lines(them))
    ingest()
    assert stored() == 20
    assert counted(link) == (20, 20)


def test_two_ingesters_at_once_store_each_click_once(
    settings: Settings, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clicks, "BATCH", 50)
    for number in range(4):
        told = lines(records(link, 400, begin=number * 400))
        segment_of(settings, told)
        segment_of(
            settings, told
        )  # as after a restored backup: the same clicks in two segments, taken in side by side
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(3):
                ingest()
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=work) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    ingest()
    assert not failures
    assert stored() == 1_600
    assert counted(link) == (1_600, 1_600)


def test_an_ingest_that_fails_halfway_leaves_nothing_behind(
    settings: Settings, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = segment_of(settings, lines(records(link, 10)))
    monkeypatch.setattr(metrics, "add_selected", _break)
    with pytest.raises(ZeroDivisionError):
        ingest()
    monkeypatch.undo()
    assert path.exists()
    assert stored() == 0
    assert ingest() == 10
    assert counted(link) == (10, 10)


def _break(*_given: object) -> None:
    raise ZeroDivisionError


def test_a_click_of_somebody_who_may_not_earn_is_a_click(cast: Cast, visitors: Visitors, link: Link) -> None:
    from advocates.membership import change_standing, get_membership
    from core.access import COMMAND

    with db.transaction():
        change_standing(get_membership(link.membership_id), "alumni", by=COMMAND, reason="moved on")
    assert visitors.click("ana").status == 302
    ingest()
    assert counted(link) == (1, 1)


def test_the_facts_name_each_member(cast: Cast, settings: Settings, link: Link) -> None:
    with db.transaction():
        other = make_link(make_earner(cast.other_programme, "Bob"), "bob")
    segment_of(settings, lines(records(link, 3)), lines(records(other, 2, begin=50)))
    ingest()
    with db.transaction(read_only=True):
        rows = db.session().execute(click_facts.facts()).all()
    assert {(row.member_id, row.unit_id): row.value for row in rows} == {
        (link.membership_id, cast.north.id): 3,
        (other.membership_id, cast.south.id): 2,
    }
