"""The migrations that came with days and look-alikes, with referrers, with clicks that say their link only, with since when a coupon is held, over rows that were there before."""

from pathlib import Path

from sqlalchemy import create_engine, text

from migrations.run import upgrade
from tests.old_rows import put

LINK = (
    "INSERT INTO link (id, code, membership_id, programme_id, unit_id, destination, campaign, starts_at, version)"
    " VALUES (:id, :code, 'm', 'p', 'u', 'https://shop.example/', '', '2026-01-01', 1)"
)
CLICK = (
    "INSERT INTO click (id, link_id, code, membership_id, unit_id, occurred_ms, day, counted, flags, visitor_hash,"
    " device, referrer_host) VALUES (:id, 'a', 'lilo', 'm', 'u', 0, :day, :counted, '', '', :device, :host)"
)


def test_links_and_clicks_from_before_get_their_shapes_days_and_referrers(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    upgrade(url, "0001")
    engine = create_engine(url)
    with engine.begin() as connection:
        for link, code in (("a", "lilo"), ("b", "1il0"), ("c", "ana")):
            connection.execute(text(LINK), {"id": link, "code": code})
        for number, (day, counted, device) in enumerate(
            [(20261101, 1, "mobile"), (20261101, 1, "desktop"), (20261102, 1, ""), (20261102, 0, "bot")]
        ):
            clicked = {
                "id": f"{number}",
                "day": day,
                "counted": counted,
                "device": device,
                "host": "news.example" if day == 20261101 else "",
            }
            connection.execute(text(CLICK), clicked)
    upgrade(url)
    with engine.connect() as connection:
        shapes = connection.execute(text("SELECT code_shape FROM link ORDER BY id")).scalars().all()
        days = connection.execute(text("SELECT * FROM link_day ORDER BY day")).all()
        hosts = connection.execute(text("SELECT * FROM link_referrer")).all()
        clicks = connection.execute(
            text("SELECT id, link_id, day, counted, device FROM click ORDER BY id")
        ).all()
    engine.dispose()
    assert shapes == ["lllo", "lllo b", "ana"]
    assert [tuple(each) for each in days] == [("a", 20261101, 2, 1), ("a", 20261102, 1, 0)]
    assert [tuple(each) for each in clicks] == [
        ("0", "a", 20261101, 1, "mobile"),
        ("1", "a", 20261101, 1, "desktop"),
        ("2", "a", 20261102, 1, ""),
        ("3", "a", 20261102, 0, "bot"),
    ]
    assert [tuple(each) for each in hosts] == [("a", "news.example", 2)]


def test_coupons_from_before_count_as_held_since_ever(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    upgrade(url, "0045")
    engine = create_engine(url)
    with engine.begin() as connection:
        put(connection, "link", id="a", code="ana", code_shape="ana", coupon="SPRING")
        put(connection, "former_coupon", id="f", coupon="SPRING", link_id="b")
    upgrade(url)
    with engine.connect() as connection:
        since = connection.execute(
            text("SELECT link.coupon_since, former_coupon.since FROM link, former_coupon")
        )
        assert since.all() == [(None, None)]
    engine.dispose()
