"""Every table there is, so that Alembic can compare them with a database."""

from importlib import import_module
from pathlib import Path

PACKAGES = ("core", "hub", "advocates", "curriculum", "referrals", "rewards")


def every_table() -> None:
    """Import every module of ours that defines a table, which makes it known to SQLModel's metadata."""
    root = Path(__file__).parent.parent
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            if "table=True" in path.read_text():
                import_module(".".join(path.relative_to(root).with_suffix("").parts))
