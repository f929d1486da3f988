"""A signal for orders that two shops told with different sums."""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

ABOUT = (
    *("own_email", "own_account", "own_card", "own_payout", "own_staff", "told_twice", "disposable_domain"),
    *(
        "seconds_after_click",
        "burst",
        "click_ratio",
        "refund_rate",
        "device_repeats",
        "device_advocates",
        "hold",
    ),
)


def upgrade() -> None:
    with op.batch_alter_table("fraud_threshold") as changed:
        changed.drop_constraint(op.f("ck_fraud_threshold_about"), type_="check")
        changed.create_check_constraint(op.f("ck_fraud_threshold_about"), sa.column("about").in_(ABOUT))
