"""The migration that gives each disputed payment a row, with sales that were disputed before it."""

from pathlib import Path

from sqlalchemy import create_engine

from migrations.run import upgrade
from rewards.reward import DISPUTED
from tests.old_rows import put


def test_disputes_from_before_are_of_a_payment_of_their_sale(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    upgrade(url, "0049")
    engine = create_engine(url)
    with engine.begin() as connection:
        for sale in ("paid", "by hand"):
            put(connection, "conversion", id=sale, external_id=sale, kind="sale")
        put(connection, "stripe_sale", id="1", object_id="cs_1", payment_intent="", conversion_id="paid")
        put(connection, "stripe_sale", id="2", object_id="cs_2", payment_intent="pi_2", conversion_id="paid")
        put(connection, "disputed_sale", conversion_id="paid", words=f"{DISPUTED} (dp_1, dp_2).")
        put(connection, "disputed_sale", conversion_id="by hand", words=f"{DISPUTED} (dp_3).")
    upgrade(url)
    with engine.begin() as connection:
        rows = connection.exec_driver_sql(
            "SELECT payment, conversion_id, disputes FROM disputed_payment"
        ).all()
        put(connection, "stripe_sale", id="3", object_id="cs_3", payment_intent="pi_3", conversion_id=None)
    assert {tuple(each) for each in rows} == {
        ("pi_2", "paid", '["dp_1", "dp_2"]'),
        ("of by hand", "by hand", '["dp_3"]'),
    }
    engine.dispose()
