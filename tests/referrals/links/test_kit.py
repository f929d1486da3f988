import pytest

from core import db
from core.access import COMMAND
from hub.destinations import HostNotAllowed
from referrals.links import kit
from referrals.links.kit import (
    ForeignAddress,
    KitFull,
    NoAddress,
    NoDisclosure,
    NoSuchPlaceholder,
    NotThere,
    add_asset,
    add_words,
    kit_for,
    take_away,
)
from referrals.links.sharekit import BUILT_IN, CHANNELS, disclosure_problem
from tests.factories import Cast

ADDRESS = "https://go.example/r/ana"


def test_a_programmes_own_words_come_first_and_three_of_them_stand_alone(cast: Cast) -> None:
    with db.transaction():
        for number in range(3):
            x = next(each for each in kit_for(cast.programme, ADDRESS) if each.slug == "x")
            assert len(x.variants) == number + len(BUILT_IN["x"])
            add_words(cast.programme, "x", f"#ad {number}: {{company}}, {{address}}", by=COMMAND)
        x = next(each for each in kit_for(cast.programme, ADDRESS) if each.slug == "x")
        assert [each.whole for each in x.variants] == [f"#ad {n}: Makers, {ADDRESS}" for n in range(3)]
        mine = kit_for(cast.other_programme, ADDRESS)
    assert [each.slug for each in mine] == list(CHANNELS)
    assert all(len(each.variants) == 3 for each in mine)


def test_words_without_disclosure_or_link_are_refused(cast: Cast) -> None:
    with db.transaction():
        with pytest.raises(NoDisclosure) as late:
            add_words(cast.programme, "x", "Look at {address} #ad", by=COMMAND)
        assert "has to come first" in late.value.sentence
        with pytest.raises(NoDisclosure) as unclear:
            add_words(cast.programme, "x", "#sp Look at {address}", by=COMMAND)
        assert "#sp does not say" in unclear.value.sentence
        with pytest.raises(NoAddress):
            add_words(cast.programme, "x", "#ad Look", by=COMMAND)


@pytest.mark.parametrize("unknown", ["{evil}", "{Address}", "{ company }", "{}"])
def test_placeholders_that_nothing_is_put_for_are_refused(cast: Cast, unknown: str) -> None:
    with db.transaction(), pytest.raises(NoSuchPlaceholder) as refused:
        add_words(cast.programme, "x", f"#ad {unknown}: {{address}} :-}}", by=COMMAND)
    assert refused.value.sentence.startswith(f"There is no placeholder {unknown}.")


@pytest.mark.parametrize(
    "foreign",
    [
        "http://evil.example",
        "https://shop.example@evil.example/",
        "WWW.evil.example/x",
        "ftp://a/b",
        "evil.example/free",
        "evil.com",
    ],
)
def test_words_lead_to_the_programmes_hosts_only(cast: Cast, foreign: str) -> None:
    with db.transaction():
        with pytest.raises(ForeignAddress) as refused:
            add_words(cast.programme, "x", f"#ad See {foreign}, or {{address}}", by=COMMAND)
        assert foreign in refused.value.sentence
        own = "#ad {address} (more on https://shop.example/about?a=b)."
        assert add_words(cast.programme, "x", own, by=COMMAND).text == own
        bare = "#ad {address} or shop.example/about. Try it.Then tell me."
        assert add_words(cast.programme, "x", bare, by=COMMAND).text == bare


def test_a_name_that_hides_the_disclosure_is_no_problem_of_the_words(cast: Cast) -> None:
    with db.transaction():
        add_words(cast.programme, "blog", "I’m rewarded by {company}: see {address}", by=COMMAND)
        blog = kit_for(cast.programme, ADDRESS)[-1]
    assert blog.variants[0].disclosure == "I’m rewarded by Makers:"
    assert disclosure_problem(blog.variants[0].whole) is None


def test_assets_are_on_the_programmes_hosts_and_go_with_their_programme_only(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit, "MOST", 2)
    with db.transaction():
        with pytest.raises(HostNotAllowed):
            add_asset(cast.programme, "A film", "https://evil.example/film", by=COMMAND)
        one = add_asset(cast.programme, "A film", "https://shop.example/film", by=COMMAND)
        add_asset(cast.programme, "A picture", "https://shop.example/p.jpg", by=COMMAND)
        with pytest.raises(KitFull):
            add_asset(cast.programme, "One more", "https://shop.example/more", by=COMMAND)
        with pytest.raises(NotThere):
            take_away(cast.other_programme, one.id, by=COMMAND)
        take_away(cast.programme, one.id, by=COMMAND)
        with pytest.raises(NotThere):
            take_away(cast.programme, one.id, by=COMMAND)
        assert [each.title for each in kit.assets_of(cast.programme.id)] == ["A picture"]
