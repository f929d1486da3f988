import pytest

from core import db
from core.access import COMMAND
from core.errors import SpokesError
from referrals.links import links
from referrals.links.codes import LETTERS, WrongCode, WrongCoupon, generate
from referrals.links.destinations import (
    DestinationTooLong,
    HostNotAllowed,
    WrongDestination,
    allowed,
    around_token,
)
from referrals.links.links import (
    AlreadyEnded,
    CodeTaken,
    CouponTaken,
    LooksLikeAnother,
    NoRightToEarn,
    TooManyLinks,
    end_link,
    find_link,
    open_first_link,
    open_link,
)
from tests.at_once import at_once
from tests.factories import Cast, make_advocate
from tests.referrals.stories import certify, make_earner, make_link

HOSTS = ["shop.example", "127.0.0.1:8013"]


def test_a_link_has_the_first_name_and_leads_home(cast: Cast) -> None:
    with db.transaction():
        link = make_link(make_earner(cast.programme, "Ána María"))
        assert link.code.startswith("ana-")
        assert link.destination == "https://shop.example/"
        assert find_link(link.code.upper()) == link


def test_nobody_opens_a_link_without_the_right_to_earn(cast: Cast) -> None:
    with db.transaction():
        member = make_advocate(cast.programme)
        with pytest.raises(NoRightToEarn) as refused:
            open_link(member, by=COMMAND)
        assert refused.value.details == {"missing": ["certification"]}


def test_the_first_link_comes_with_the_right_and_only_once(cast: Cast) -> None:
    with db.transaction():
        member = make_advocate(cast.programme)
        assert open_first_link(member.id) is None
        certify(member)  # the reaction to it opens the link
        assert open_first_link(member.id) is None
        assert len(links.links_of(member.id)) == 1


def test_a_code_or_coupon_belongs_to_one_link_whatever_its_case(cast: Cast) -> None:
    with db.transaction():
        member = make_earner(cast.programme)
        make_link(member, "Ana", coupon="ana10")
        with pytest.raises(CodeTaken):
            make_link(member, "ANA")
        with pytest.raises(CouponTaken):
            make_link(member, "other", coupon="Ana10")


def test_an_ended_link_stays_ended(cast: Cast) -> None:
    with db.transaction():
        link = make_link(make_earner(cast.programme))
        end_link(link, by=COMMAND)
        assert link.ends_at is not None
        with pytest.raises(AlreadyEnded):
            end_link(link, by=COMMAND)


def test_ended_links_leave_room_for_new_ones(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "MOST_LINKS", 3)
    with db.transaction():
        member = make_earner(cast.programme)  # with it comes the first link
        kept = links.links_of(member.id)
        for code in ("one", "two", "three"):
            end_link(make_link(member, code), by=COMMAND)
        make_link(member, "four")
        make_link(member, "five")
        with pytest.raises(TooManyLinks):
            make_link(member, "six")
        held = [link.code for link in links.links_of(member.id)]
        assert held == ["five", "four", kept[0].code]


def test_a_code_that_only_looks_different_is_refused(cast: Cast) -> None:
    with db.transaction():
        member = make_earner(cast.programme)
        make_link(member, "lilo-100")
        for twin in ("LILO-100", "1ilo-100", "lil0-loo", "liio-ioo"):
            with pytest.raises(CodeTaken if twin == "LILO-100" else LooksLikeAnother):
                make_link(member, twin)
        make_link(member, "lilo-200")


def test_of_two_at_once_with_codes_that_look_alike_one_is_opened(cast: Cast) -> None:
    with db.transaction():
        member = make_earner(cast.programme)

    def open_it(code: str) -> None:
        with db.transaction():
            make_link(member, code)

    told = at_once(lambda: open_it("anna-1"), lambda: open_it("anna-l"))
    assert sorted(type(each).__name__ for each in told) == ["LooksLikeAnother", "NoneType"]


@pytest.mark.parametrize(
    "code", ["ab", "-ana", "ana-", "a" * 41, "ana_b", "añna", "ana b", "../etc", "straße", "\u212aana"]
)
def test_codes_that_are_none(cast: Cast, code: str) -> None:
    with db.transaction():
        member = make_earner(cast.programme)
        with pytest.raises(WrongCode):
            make_link(member, code)
        with pytest.raises(WrongCoupon):
            make_link(member, coupon=code)


def test_generated_codes_have_no_look_alikes_and_need_no_latin_name() -> None:
    assert not set("0o1li") & set(LETTERS)
    assert set(generate("王小明")) <= set(LETTERS)
    assert len({generate("Ana") for _ in range(100)}) > 95


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://shop.example", "https://shop.example/"),
        ("HTTPS://SHOP.example:443/a?b=c#d", "https://shop.example/a?b=c#d"),
        ("http://127.0.0.1:8013/x", "http://127.0.0.1:8013/x"),
        ("https://shop.example./x", "https://shop.example/x"),
        ("https://shop.example/käse", "https://shop.example/k%C3%A4se"),
        ("https://shop.example/?q=" + "€" * 219, "https://shop.example/?q=" + "%E2%82%AC" * 219),
    ],
)
def test_destinations_on_the_list(given: str, kept: str) -> None:
    assert allowed(given, HOSTS) == kept


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ("https://evil.example/", HostNotAllowed),
        ("https://shop.example.evil.example/", HostNotAllowed),
        ("https://127.0.0.1:8014/", HostNotAllowed),
        ("https://shop.example:8443/", HostNotAllowed),
        ("https://shop.example@evil.example/", WrongDestination),
        ("https://u:p@shop.example/", WrongDestination),
        ("https://shop.example/a\r\nSet-Cookie:x=1", WrongDestination),
        ("https://shop.example/a\tb", WrongDestination),
        ("https://evil.example\\@shop.example/", WrongDestination),
        ("javascript:alert(1)", WrongDestination),
        ("ftp://shop.example/", WrongDestination),
        ("//shop.example/", WrongDestination),
        ("https://shop.example:99999/", WrongDestination),
        ("https://[::1/", WrongDestination),
        ("https:///x", WrongDestination),
        ("shop.example", WrongDestination),
        ("https://shop.example/" + "a" * 2_000, DestinationTooLong),
        ("https://shop.example/" + "ü" * 1_900, DestinationTooLong),
        ("https://shop.example/?q=" + "€" * 223, DestinationTooLong),
    ],
)
def test_destinations_that_are_refused(given: str, refusal: type[SpokesError]) -> None:
    with pytest.raises(refusal):
        allowed(given, HOSTS)


@pytest.mark.parametrize(
    ("destination", "address"),
    [
        (
            "https://shop.example/",
            "https://shop.example/?utm_source=advocate&utm_medium=referral&utm_campaign=spring%20sale&spk=T",
        ),
        (
            "https://shop.example/a?b=%2F+c&utm_source=x&spk=old#top",
            "https://shop.example/a?b=%2F+c&utm_source=x&utm_medium=referral&utm_campaign=spring%20sale&spk=T#top",
        ),
        (
            "https://shop.example/?s%70k=old&utm%5Fmedium=mail&a%20b=1&utm%5fsource",
            "https://shop.example/?utm%5Fmedium=mail&a%20b=1&utm%5fsource&utm_campaign=spring%20sale&spk=T",
        ),
    ],
)
def test_what_stands_around_the_token(destination: str, address: str) -> None:
    utm = {"utm_source": "advocate", "utm_medium": "referral", "utm_campaign": "spring sale"}
    before, after = around_token(destination, utm)
    assert f"{before}T{after}" == address
