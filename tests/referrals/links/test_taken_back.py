import pytest

from referrals.links.sharekit import disclosure_problem


@pytest.mark.parametrize(
    "text",
    [
        "#ad I get nothing for this.",
        "#ad (not really an ad)",
        "#ad I don't earn anything by this",
        "#ad I don’t  actually get any money from Makers.",
        "Ad: we make absolutely nothing from it!",
        "#ad I’m not getting a commission here",
        "#ad I have never received money: I never get a cent, really",
        "#ad (no ad) look",
        "#ad – not really, look",
        "#ad Not sponsored!",
        "#ad Nobody pays me to say so.",
        "#ad They don't pay me for it",
        "#ad It isn’t even an advertisement",
        "#ad – I earned nothing from this.",
        "#ad I get paid nothing for this.",
        "#ad (I received no commission)",
        "#ad I am not paid for this",
    ],
)
def test_a_disclosure_that_is_taken_back_is_refused(text: str) -> None:
    problem = disclosure_problem(text)
    assert problem is not None
    assert "takes its disclosure back" in problem


@pytest.mark.parametrize(
    "text",
    [
        "#ad I earn something if you buy",
        "#ad This is not only an ad for me but my favourite",
        "#ad not only an ad for me but my favourite",
        "#ad It isn’t just an ad, I use it each day.",
        "#ad I get nothing unless you buy, so look at it first.",
        "#ad I don’t get paid unless you buy through my link.",
        "#ad I am not paid extra, but I earn a commission if you buy.",
        "#ad We never make money decisions lightly.",
        "#ad I got nothing wrong in the quiz, and I earn a commission",
        "#ad I took nothing for granted and tried it myself",
        "#ad I made nothing up",
        "#ad I don’t earn anything until you buy by this link.",
        "#ad I earn nothing if you only look.",
        "#ad I know you don’t get anything like it elsewhere.",
        "#ad You get nothing like it elsewhere, and it makes no noise.",
        "Ad: I never make a cake without it. It is not really expensive.",
        "#ad If it is not for you, nothing is lost. There is no ad on their pages.",
        "#ad I would say so if I got no further with it than you.",
        "I’m rewarded by Makers. It does not make anything worse - not at all, it helps.",
    ],
)
def test_what_is_honest_passes(text: str) -> None:
    assert disclosure_problem(text) is None
