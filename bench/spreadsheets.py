"""Tables of 100,000 rows: XLSX beside plain xlsxwriter, and what CSV and XLSX add to the memory of a process."""

import io
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal

from xlsxwriter import Workbook

from bench.figures import Goal, say, say_alone
from core.spreadsheets import Cell, as_csv, as_xlsx

TIME, MEMORY = Goal(1, at_most=True), Goal(32, at_most=True)
HEADER = ["Rank", "Advocate", "Membership number", "Unit", "Revenue (EUR)", "E-mail"]
KIBIBYTES = 1024
PEAK = """
import re, sys
from pathlib import Path
from bench.spreadsheets import written
def status(name): return int(re.search(name + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
written(sys.argv[2], 10)
Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
written(sys.argv[2], int(sys.argv[1]))
print(status("VmHWM") - before)
"""
"""prints how far a process grew, in KiB; Linux counts the peak anew after the 5"""


def measure(*, quick: bool) -> bool:
    """Time in one process, interleaved; memory in a fresh process each, at a tenth of the rows and at all of them."""
    number, rounds = (20_000, 1) if quick else (100_000, 5)
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(_took(lambda: as_xlsx("Leaderboard", HEADER, rows(number))))
        theirs.append(_took(lambda: _plain(number)))
    reached = [say(f"XLSX of {number:,} rows vs xlsxwriter", "s", ours, theirs, TIME)]
    for kind in ("csv", "xlsx"):
        few, many = (_peak(kind, each) for each in (number // 10, number))
        reached.append(say_alone(f"{kind.upper()} of {number:,} rows, memory", "MiB", [many], MEMORY))
        print(f"  of a tenth of the rows: {few:.3g} MiB")
    return all(reached)


def rows(number: int) -> Iterator[list[Cell]]:
    """Rows like those of a leaderboard, each made when it is asked for."""
    for each in range(1, number + 1):
        amount = Decimal(each * 7919 % 1_000_000).scaleb(-2)
        yield [
            each,
            f"Advocate Number {each}",
            each,
            f"Unit {each % 40}",
            amount,
            f"advocate.{each}@example.org",
        ]


def written(kind: str, number: int) -> bytes:
    """A table of ours, `csv` or `xlsx`."""
    return as_csv(HEADER, rows(number)) if kind == "csv" else as_xlsx("Leaderboard", HEADER, rows(number))


def _plain(number: int) -> bytes:
    """What one writes after reading the first page of xlsxwriter's documentation."""
    file = io.BytesIO()
    with Workbook(file, {"in_memory": True}) as book:
        page = book.add_worksheet()
        page.write_row(0, 0, HEADER)
        for at, row in enumerate(rows(number), start=1):
            page.write_row(at, 0, row)
    return file.getvalue()


def _took(work: Callable[[], bytes]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _peak(kind: str, number: int) -> float:
    """How much a process grew while it wrote such a table, in MiB."""
    words = [sys.executable, "-c", PEAK, str(number), kind]
    return int(subprocess.run(words, check=True, capture_output=True, text=True).stdout) / KIBIBYTES
