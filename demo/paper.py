"""A market stall that writes its sales on paper: a file of them waits for the manager to confirm it."""

from datetime import datetime, timedelta

from core.access import Actor
from core.clock import at
from core.db import transaction
from hub.programmes import Programme
from referrals.conversions import imports


def bring_the_stalls_sales(code: str, programme: Programme, *, by: Actor, moment: datetime) -> None:
    """Three sales by an advocate's code, and a line that nobody can read; tried, not confirmed."""
    day = moment - timedelta(days=2)
    rows = (
        f"stall-1;{day.isoformat()};24,50;EUR;{code}",
        f"stall-2;{(day + timedelta(hours=1)).isoformat()};129,00;EUR;{code}",
        f"stall-3;{(day + timedelta(hours=2)).isoformat()};49,00;EUR;nobodys",
        "stall-4;Saturday;12,00;EUR;",
    )
    raw = "\n".join(("order;at;amount;currency;code", *rows)).encode()
    with at(moment):
        with transaction():
            imports.bring(raw, "conversions", name="market-stall.csv", unit_id=programme.unit_id, by=by)
        imports.work()
