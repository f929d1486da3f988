"""What is kept of a visitor: the hash, the network, the class of device, the host that sent them."""

import pytest

from referrals.clicks.visitor import (
    client_address,
    device_of,
    referrer_host,
    salted,
    truncated,
    visitor_hash,
)
from tests.referrals.stories import BROWSER


def test_a_visitor_hash_changes_with_the_day_and_hides_the_last_part_of_the_address() -> None:
    one = visitor_hash(salted(b"monday"), "203.0.113.7", BROWSER)
    assert one == visitor_hash(salted(b"monday"), "203.0.113.200", BROWSER)
    assert one != visitor_hash(salted(b"tuesday"), "203.0.113.7", BROWSER)
    assert one != visitor_hash(salted(b"monday"), "203.0.114.7", BROWSER)


def test_addresses_are_truncated() -> None:
    assert truncated("203.0.113.7") == "203.0.113"
    assert truncated("2001:db8:1:2:3:4:5:6") == "2001:db8:1::"
    assert truncated("::ffff:203.0.113.7") == "203.0.113"
    assert truncated("fe80::1%eth0") == "fe80::"
    assert truncated("nonsense:") == ""
    assert truncated("") == ""


@pytest.mark.parametrize(
    ("forwarded", "hops", "address"),
    [
        ("1.1.1.1", 0, "9.9.9.9"),
        ("6.6.6.6, 1.1.1.1", 1, "1.1.1.1"),
        ("6.6.6.6, 1.1.1.1, 2.2.2.2", 2, "1.1.1.1"),
        ("1.1.1.1", 2, "9.9.9.9"),
        ("", 1, "9.9.9.9"),
    ],
)
def test_forwarded_addresses_are_believed_for_exactly_the_trusted_hops(
    forwarded: str, hops: int, address: str
) -> None:
    assert client_address("9.9.9.9", forwarded, hops) == address


def test_devices() -> None:
    phone = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36"
    assert device_of(phone) == "mobile"
    assert device_of(phone.replace(" Mobile", "")) == "tablet"
    assert device_of(BROWSER) == "desktop"
    assert device_of("") == device_of(" ") == "bot"
    for old in (
        "MSIE 10.0; Windows NT 6.2; Trident/6.0",
        "MSIE 9.0; Windows NT 6.1",
        "Konqueror/4.5; FreeBSD",
    ):
        assert device_of(f"Mozilla/5.0 (compatible; {old})") == "desktop"


def test_hosts_of_referrers() -> None:
    assert referrer_host("https://user@Blog.Example:8080/x") == "blog.example"
    assert referrer_host("https://[bad") == ""
    assert referrer_host("https://exa\tmple.org") in {"", "example.org"}
