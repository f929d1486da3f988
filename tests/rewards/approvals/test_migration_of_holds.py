"""The migration that gives each reason to hold a reward a row, with rewards that were held before it."""

from pathlib import Path

from sqlalchemy import create_engine

from migrations.run import upgrade
from rewards.approvals.reviews import FAIR_WORDS
from rewards.reward import DISPUTED
from tests.old_rows import put


def test_whatever_held_a_reward_before_holds_it_still(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    upgrade(url, "0031")
    engine = create_engine(url)
    held = {
        "by a person": ("I call her.", None),
        "by a dispute": (f"{DISPUTED} (dp_1).", None),
        "by a review": (FAIR_WORDS, ""),
        "by a person and a review": (FAIR_WORDS, "I call her."),
        "by a dispute and a review": (FAIR_WORDS, f"{DISPUTED} (dp_1)."),
    }
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        put(connection, "reward", id="paid", grant_key="paid", state="paid", currency="EUR")
        for reward, (words, before) in held.items():
            put(
                connection, "reward", id=reward, grant_key=reward, state="held", state_reason=words, currency="EUR"
            )  # fmt: skip
            if before is not None:
                put(connection, "held_reward", reward_id=reward, reason_before=before)
    upgrade(url)
    with engine.begin() as connection:
        rows = connection.exec_driver_sql("SELECT reward_id, why, words FROM reward_hold").all()
    assert {tuple(each) for each in rows} == {
        ("by a person", "person", "I call her."),
        ("by a dispute", "dispute", f"{DISPUTED} (dp_1)."),
        ("by a review", "review", FAIR_WORDS),
        ("by a person and a review", "review", FAIR_WORDS),
        ("by a person and a review", "person", "I call her."),
        ("by a dispute and a review", "review", FAIR_WORDS),
        ("by a dispute and a review", "dispute", f"{DISPUTED} (dp_1)."),
    }
    engine.dispose()
