from urllib.parse import parse_qs, urlsplit

import pytest

from referrals.links.sharekit import disclosure_problem, share_kit, split


def test_every_channel_has_three_variants_with_the_disclosure_first() -> None:
    kit = share_kit("Makers", "https://go.example/r/ana")
    assert len(kit) >= 3
    for channel in kit:
        assert len(channel.variants) >= 3
        for variant in channel.variants:
            assert disclosure_problem(variant.whole) is None, variant.whole
            assert "https://go.example/r/ana" in variant.whole


def test_what_opens_a_channel_begins_with_the_disclosure() -> None:
    opened = {}
    for channel in share_kit("Makers & Co", "https://go.example/r/ana"):
        for variant in channel.variants:
            query = parse_qs(urlsplit(channel.opens_with(variant.whole)).query)
            texts = [query[name][0] for name in ("text", "body", "quote") if name in query]
            opened[channel.slug] = texts
            assert all(each == variant.whole for each in texts)
            assert all(disclosure_problem(each) is None for each in query.get("subject", []))
    assert [slug for slug, texts in opened.items() if not texts] == ["blog"]


@pytest.mark.parametrize(
    ("text", "disclosure"),
    [
        ("#ad Look: here", "#ad"),
        ("Ad: look. Here", "Ad:"),
        ("I’m rewarded by Makers Ltd. Look", "I’m rewarded by Makers Ltd."),
        ("I’m rewarded by 3.5 Studio! Look", "I’m rewarded by 3.5 Studio!"),
        ("I get a reward for this: look", "I get a reward for this:"),
        ("I’m rewarded by Makers", "I’m rewarded by Makers"),
    ],
)
def test_the_disclosure_of_a_text_is_told_from_the_rest(text: str, disclosure: str) -> None:
    found = split(text)
    assert found.disclosure == disclosure
    assert f"{found.disclosure} {found.text}".strip() == text


@pytest.mark.parametrize(
    "text",
    [
        "#ad Look at this",
        "#Ad: look",
        "Ad: look",
        "AD: look",
        "“Ad:” look",
        "I'm rewarded by Makers. Look",
        "Sponsored: look",
        "#ad Is this for you? I would say the same if I were paid elsewhere.",
        "Ad: does it work? Yes.",
        "Ad: You have not paid for a year? No advertisement and no reward there, and no unpaid work.",
        "#ad \N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER} look",
    ],
)
def test_clear_disclosures_pass(text: str) -> None:
    assert disclosure_problem(text) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("#sp Look at this", "#sp does not say"),
        ("#partner look", "#partner does not say"),
        ("look #collab", "#collab does not say"),
        ("#ambassador look", "#ambassador does not say"),
        ("Look at this https://x.example #ad", "has to come first"),
        ("Look at this. Ad: really", "has to come first"),
        ("#adorable things", "Begin with a disclosure"),
        ("Bad: things", "Begin with a disclosure"),
        ("", "Begin with a disclosure"),
        ("#ad? No, I’m not paid at all.", "does not ask"),
        ("#ad … ? look", "does not ask"),
        ("Ad:? look", "does not ask"),
        ("I’m rewarded by Makers? Hardly. Look", "does not ask"),
        ("I’m rewarded by nobody. Look", "Begin with a disclosure"),
        ("#ad Just kidding, I'm not being paid for this.", "takes its disclosure back"),
        ("Ad: this isn’t an ad at all", "takes its disclosure back"),
        ("#ad This is no ad.", "takes its disclosure back"),
        ("\u202e#ad Look", "nobody sees"),
        ("#ad Look \u2066here\u2069", "nobody sees"),
        ("\u200b#ad Look", "nobody sees"),
    ],
)
def test_unclear_late_and_missing_disclosures_are_refused(text: str, says: str) -> None:
    problem = disclosure_problem(text)
    assert problem is not None
    assert says in problem
