import subprocess
import sys
import time
from pathlib import Path

import pytest

from referrals.clicks import journal
from referrals.clicks.journal import LOST_BYTES, Journal, is_finished, lost, read, segments
from referrals.clicks.journal_lines import ClickRecord, Piece, fields_of, id_of, line_of


def record(number: int) -> ClickRecord:
    whose = ("a" * 26, "b" * 26, "c" * 26)  # ids that look like sums
    return ClickRecord(*whose, 20_231_114, True, "desktop", "", "", "shop.example", "de", f"{number:026d}")


def line(number: int) -> bytes:
    return line_of(fields_of(record(number)))


def written(folder: Path, raw: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "0000.journal"
    path.write_bytes(raw)
    return path


def ids(piece: Piece) -> list[int]:
    return [int(id_of(each)) for each in piece.records]


def test_what_is_appended_is_read_back_in_order(tmp_path: Path) -> None:
    written_by = Journal(tmp_path)
    for number in range(3):
        written_by.append(line(number))
    (segment,) = segments(tmp_path)
    piece = read(segment, 0, finished=False, most=10)
    assert piece.records == [fields_of(record(each)).encode() for each in range(3)]
    assert piece.end == segment.stat().st_size
    written_by.close()


def test_no_file_exists_before_the_first_click(tmp_path: Path) -> None:
    Journal(tmp_path / "journal")
    assert not (tmp_path / "journal").exists()


def test_a_segment_is_finished_when_its_writer_is_gone(tmp_path: Path) -> None:
    written_by = Journal(tmp_path)
    written_by.append(line(1))
    (segment,) = segments(tmp_path)
    assert not is_finished(segment)
    written_by.close()
    assert is_finished(segment)


def test_reading_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = written(tmp_path, line(1) + line(2) + line(3))
    first = read(path, 0, finished=True, most=2)
    assert ids(first) == [1, 2]
    assert ids(read(path, first.end, finished=True, most=2)) == [3]


@pytest.mark.parametrize("cut", [1, 9, 40, len(line(2)) - 2])
def test_a_torn_tail_waits_for_its_writer_and_is_left_behind_without_it(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path, line(1) + line(2)[:cut])
    waiting = read(path, 0, finished=False, most=10)
    assert (ids(waiting), waiting.end, waiting.broken) == ([1], len(line(1)), 0)
    gone = read(path, 0, finished=True, most=10)
    assert (ids(gone), gone.end, gone.broken) == ([1], path.stat().st_size, 1)


def test_a_bad_line_is_passed_over_once_a_good_one_follows(tmp_path: Path) -> None:
    bad = line(2).replace(b"shop", b"spot")
    path = written(tmp_path, line(1) + bad)
    assert read(path, 0, finished=False, most=10).end == len(line(1))
    path = written(tmp_path, line(1) + bad + line(3))
    piece = read(path, 0, finished=False, most=10)
    assert (ids(piece), piece.end, piece.broken) == ([1, 3], path.stat().st_size, 1)


def test_lines_of_the_version_before_are_read_beside_those_of_this_one(tmp_path: Path) -> None:
    seen = ("c" * 26, "b" * 26, "a" * 26, "20231114", "1", "desktop", "ana", "", "", "shop.example", "de")
    before = line_of("\t".join((f"{2:026d}", "1700000000002", *seen)))
    path = written(tmp_path, line(1) + before + line(3))
    assert read(path, 0, finished=False, most=10) == Piece(
        [fields_of(record(each)).encode() for each in (1, 2, 3)], path.stat().st_size, 0
    )


def test_a_whole_record_behind_a_torn_one_is_found(tmp_path: Path) -> None:
    path = written(tmp_path, line(1)[:50] + line(2) + line(3))
    assert ids(read(path, 0, finished=False, most=10)) == [2, 3]


def test_wherever_a_record_is_torn_the_whole_one_behind_it_is_found(tmp_path: Path) -> None:
    for torn in range(1, len(line(1))):
        path = written(tmp_path, line(1)[:torn] + line(2))
        assert 2 in ids(read(path, 0, finished=True, most=10)), torn


def test_zeros_after_a_power_failure_are_left_behind(tmp_path: Path) -> None:
    path = written(tmp_path, line(1) + b"\0" * (3 * journal.READ_BYTES))
    offset = 0
    for _ in range(10):
        piece = read(path, offset, finished=True, most=10)
        if piece.end == offset:
            break
        offset = piece.end
    assert offset == path.stat().st_size


def test_a_full_segment_makes_room_for_the_next(tmp_path: Path) -> None:
    written_by = Journal(tmp_path, rotate_bytes=1)
    written_by.append(line(1))
    for _ in range(50):
        if is_finished(segments(tmp_path)[0]):
            break
        time.sleep(0.02)
    written_by.append(line(2))
    old, new = segments(tmp_path)[:2]
    assert is_finished(old)
    assert ids(read(old, 0, finished=True, most=9)) == [1]
    assert ids(read(new, 0, finished=False, most=9)) == [2]
    written_by.close()


def test_a_part_that_fitted_counts_as_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written_by = Journal(tmp_path)
    written_by.append(line(1))
    whole = journal.write
    monkeypatch.setattr(journal, "write", lambda file, raw: whole(file, raw[:20]))
    with pytest.raises(OSError, match="part"):
        written_by.append(line(2))
    monkeypatch.undo()
    written_by.append(line(3))
    (segment,) = segments(tmp_path)
    assert ids(read(segment, 0, finished=False, most=9)) == [1, 3]
    written_by.close()


FORKS = """
import os, sys
from pathlib import Path
from referrals.clicks.journal import Journal
written_by = Journal(Path(sys.argv[1]))
written_by.append(b"parent\\n")
child = os.fork()
written_by.append(b"%d\\n" % os.getpid())
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
"""


def test_a_forked_process_writes_a_segment_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORKS, str(tmp_path)]
    subprocess.run(command, check=True, timeout=20)
    one, other = sorted((each.read_bytes()[LOST_BYTES:] for each in segments(tmp_path)), key=len)
    assert other.startswith(b"parent\n")
    assert len(one.splitlines()) == 1


def test_what_could_not_be_put_on_file_is_counted_in_the_segments_first_line(tmp_path: Path) -> None:
    written_by = Journal(tmp_path)
    written_by.lose(1_700_000_000_000)  # before there is a segment
    written_by.append(line(1))
    (segment,) = segments(tmp_path)
    assert lost(segment) == (1, 1_700_000_000_000)
    written_by.lose(1_700_000_000_001)
    written_by.append(line(2))
    assert lost(segment) == (2, 1_700_000_000_001)
    assert ids(read(segment, 0, finished=False, most=9)) == [1, 2]
    written_by.close()


def test_a_fresh_segment_has_lost_nothing(tmp_path: Path) -> None:
    written_by = Journal(tmp_path, rotate_bytes=1)
    written_by.append(line(1))
    written_by.lose(1_700_000_000_000)
    for _ in range(100):
        if len(segments(tmp_path)) > 1:
            break
        time.sleep(0.02)
    written_by.lose(1_700_000_000_001)
    written_by.close()
    assert [lost(each).clicks for each in segments(tmp_path)][:2] == [1, 1]


def test_lines_of_another_shape_are_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path, line(1) + line_of("of\tanother\tversion") + line(3))
    piece = read(path, 0, finished=True, most=9)
    assert (ids(piece), piece.broken) == ([1, 3], 1)
