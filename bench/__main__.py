"""`python -m bench` lists the benchmarks, `python -m bench NAME [--quick]` runs one; exit 1 when a must is missed."""

import argparse
import sys
from importlib import import_module
from pathlib import Path

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The modules here that measure something."""
    return sorted(each.stem for each in FOLDER.glob("*.py") if "\ndef measure(" in each.read_text())


def main() -> int:
    """List, or run one."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", nargs="?", choices=names())
    parser.add_argument(
        "--quick", action="store_true", help="smaller and shorter: to try it, not to quote it"
    )
    asked = parser.parse_args()
    if asked.name is None:
        for each in names():
            print(f"{each:16} {(import_module(f'bench.{each}').__doc__ or '').splitlines()[0]}")
        return 0
    return 0 if import_module(f"bench.{asked.name}").measure(quick=asked.quick) else 1


if __name__ == "__main__":
    sys.exit(main())
