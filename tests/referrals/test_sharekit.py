import pytest

from referrals.sharekit import disclosure_problem, share_kit


def test_every_channel_has_three_variants_with_the_disclosure_first() -> None:
    kit = share_kit("Makers", "https://go.example/r/ana")
    assert len(kit) >= 3
    for channel in kit:
        assert len(channel.variants) >= 3
        for variant in channel.variants:
            assert disclosure_problem(variant.whole) is None, variant.whole
            assert "https://go.example/r/ana" in variant.whole


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
    ],
)
def test_unclear_late_and_missing_disclosures_are_refused(text: str, says: str) -> None:
    problem = disclosure_problem(text)
    assert problem is not None
    assert says in problem
