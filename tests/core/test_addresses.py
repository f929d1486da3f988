"""Addresses that others chose: nothing leads into a private network, whatever it is written like."""

import socket
from typing import Any

import pytest

from core.addresses import Goal, NoSuchHost, NotPublic, WrongAddress, checked, goal_of, may_reach, resolve
from core.settings import Settings, configure


@pytest.fixture
def production(settings: Settings) -> None:
    """Settings as in the real thing."""
    configure(settings.model_copy(update={"spokes_env": "production"}))


def answering(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def look_up(_host: str, port: int, **_more: int) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


PRIVATE = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1",  # noqa: S104 - refused
    "169.254.169.254", "100.64.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "fe80::1", "fe80::1%eth0",
    "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "2001::1", "2002:7f00:1::1", "2002:a9fe:a9fe::1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1",
]  # fmt: skip


@pytest.mark.usefixtures("production")
class TestInProduction:
    @pytest.mark.parametrize("address", PRIVATE)
    def test_private_addresses_of_every_kind_are_refused(self, address: str) -> None:
        assert not may_reach(address)

    @pytest.mark.parametrize(
        "address", ["93.184.216.34", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:4700::1"]
    )
    def test_public_ones_are_reached(self, address: str) -> None:
        assert may_reach(address)

    def test_name_with_one_private_address_among_public_ones_is_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answering(monkeypatch, "93.184.216.34", "10.0.0.1")
        with pytest.raises(NotPublic):
            resolve("hooks.example", 443)
        answering(monkeypatch, "93.184.216.34", "93.184.216.34", "8.8.8.8")
        assert resolve("hooks.example", 443) == ["93.184.216.34", "8.8.8.8"]

    def test_name_without_an_address_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answering(monkeypatch)
        with pytest.raises(NoSuchHost):
            resolve("hooks.example", 443)
        with pytest.raises(NotPublic):
            checked(["not an address"])

    @pytest.mark.parametrize(
        "url",
        [
            "http://hooks.example/", "ftp://hooks.example/", "file:///etc/passwd", "hooks.example", "//hooks.example", "https://", "https:///x",
            "https://user@hooks.example/", "https://user:pass@hooks.example/", "https://hooks.example@10.0.0.1/",
            "https://hooks.example/#part", "https://hooks.example:99999/", "https://hooks.example:x/", "https://hooks.example:25/",
            "https://hooks.example:0/", "https://hooks.example:80/",
            "https://hooks.example/a b", "https://hooks.example/\t", "https://hooks.example\\@10.0.0.1/", "https://hooks.exämple/",
            "https://１２７.0.0.1/", "https://[::1/", "https://hooks.example/" + "x" * 2_000,
            "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://0177.0.0.1/", "https://127.1/", "https://127.0.0.1./",
            "https://127.0.0.1/", "https://10.0.0.1/", "https://169.254.169.254/latest/meta-data/", "https://[::1]/",
            "https://[::ffff:169.254.169.254]/", "https://[fe80::1%25eth0]/",
        ],
    )  # fmt: skip
    def test_addresses_that_are_no_receivers_are_refused_with_a_sentence(self, url: str) -> None:
        with pytest.raises(WrongAddress) as refused:
            goal_of(url)
        assert refused.value.sentence.endswith(".") or refused.value.sentence.endswith(")")

    def test_good_addresses_keep_their_path_and_query(self) -> None:
        assert goal_of("https://Hooks.Example/in?key=1&b=%20") == Goal(
            "https", "hooks.example", 443, "/in?key=1&b=%20"
        )
        assert goal_of("https://hooks.example:8443") == Goal("https", "hooks.example", 8443, "/")
        assert goal_of("https://xn--hksexample-57a.example/").host == "xn--hksexample-57a.example"
        assert goal_of("https://[2606:4700::1111]/").host == "2606:4700::1111"


@pytest.mark.usefixtures("settings")
def test_development_may_reach_this_machine_but_no_other_private_one() -> None:
    assert goal_of("http://127.0.0.1:8012/hooks").port == 8012
    assert goal_of("http://localhost/hooks").port == 80
    assert [may_reach(each) for each in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254")] == [
        True, True, True, False, False,
    ]  # fmt: skip


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize(
    "url", ["https://hooks.example:25/", "http://hooks.example:25/", "https://hooks.example:80/"]
)
def test_ports_of_other_services_are_refused_in_development_as_well(url: str) -> None:
    with pytest.raises(WrongAddress):
        goal_of(url)
