import pytest

from referrals.links.links_in_words import links_in


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("#ad {address} or evil.example/free", ["evil.example/free"]),
        ("See evil.com, or EVIL.DE!", ["evil.com", "EVIL.DE"]),
        ("(evil.Com) bücher.de; t.co/x", ["evil.Com", "bücher.de", "t.co/x"]),
        ("look...evil.com.Then more", ["evil.com"]),
        ("{company}evil.shop or shop.example:8443/a", ["evil.shop", "shop.example:8443/a"]),
        ("evil.It/free sub.evil.co.uk?a=b", ["evil.It/free", "sub.evil.co.uk?a=b"]),
        ("//evil.io and xn--e1afmkfd.xn--p1ai/x", ["evil.io", "xn--e1afmkfd.xn--p1ai/x"]),
        ("https://shop.example/?to=a.com&x.de WWW.a/b.", ["https://shop.example/?to=a.com&x.de", "WWW.a/b"]),
    ],
)
def test_addresses_are_found_with_https_and_without(text: str, links: list[str]) -> None:
    assert links_in(text) == links


@pytest.mark.parametrize(
    "text",
    [
        "Try it.Then tell me. It helped me.So good, and for whom?It is.",
        "I like this, e.g. this one, i.e. that, at 9 a.m. in the U.S. or z.B. here.",
        "Version 2.0/3.0 is out: 1.5kg, 24/7, No.1, 9.30pm, at 10.am, and/or 3.14.",
        "Node.js, Dr.Oetker and St.Pauli, a Ph.D. …and so on...really",
        "Write to me@mail.example, first.last@sub.shop.com or ask.",
        "Is it.Then/now or never?",
    ],
)
def test_ordinary_sentences_have_no_addresses(text: str) -> None:
    assert links_in(text) == []
