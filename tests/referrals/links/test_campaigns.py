from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import select

from advocates import tiers
from advocates.membership import Membership, change_standing
from core import db
from core.access import COMMAND
from core.clock import day_number, now
from core.people import get_person
from curriculum.certification import revoke
from hub.destinations import HostNotAllowed
from hub.metrics import Gain, add
from hub.policies import acknowledge, publish_policy
from hub.programmes import get_programme
from referrals.conversions.rights import missing_in, right_to_earn
from referrals.links import campaigns, link_changes, link_import, links, tier_campaigns
from referrals.links.campaigns import Campaign, CampaignNeedsName, EffectChanged, NoSuchTier, launch, preview
from referrals.links.links import Link, end_link
from referrals.links.tier_campaigns import ForATier
from tests.at_once import at_once
from tests.factories import Cast, make_advocate, make_programme
from tests.referrals.stories import certify, make_earner, make_link

END = now() + timedelta(days=30)


def spring(**changes: object) -> Campaign:
    wanted = Campaign("spring", "https://shop.example/spring", now(), END)
    return replace(wanted, **changes)  # type: ignore[arg-type]  # fields by name


def of_campaign() -> list[Link]:
    with db.transaction(read_only=True):
        return list(db.session().exec(select(Link).where(Link.campaign == "spring")))


def test_everybody_who_may_earn_gets_one_link_and_the_others_a_reason(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("referrals.links.campaigns.MOST_LINKS", 3)
    with db.transaction():
        names = ["Ana Gets", "Bea Has", "Cleo Trainee", "Dora Gone", "Eva Full"]
        ana, bea, dora, eva = (make_earner(cast.programme, names[place]) for place in (0, 1, 3, 4))
        make_advocate(cast.programme, names[2])
        end_link(make_link(bea, campaign="spring"), by=COMMAND)
        change_standing(dora, "removed", by=COMMAND, reason="left")
        for code in ("one", "two", "three")[: 3 - len(links.links_of(eva.id))]:
            make_link(eva, code)
        programme = get_programme(cast.programme.id)
        seen = preview(programme, spring())
        told = {each.name: each.verdict for each in seen.effects}
        assert told == dict(zip(names, ("gets", "has", "certification", "term", "full"), strict=True))
        (opened,) = launch(programme, spring(), digest=seen.digest, by=COMMAND)
    assert (opened.membership_id, opened.campaign) == (ana.id, "spring")
    assert opened.destination == "https://shop.example/spring"
    assert opened.code.startswith("ana-")
    assert opened.ends_at is not None


def test_a_campaign_for_a_tier_is_for_it_and_those_above(cast: Cast) -> None:
    with db.transaction():
        programme = get_programme(cast.programme.id)
        for place, (name, least) in enumerate((("Bronze", 10), ("Silver", 100), ("Gold", 1_000)), 1):
            tiers.define(programme, name, place, least, by=COMMAND)
        for points, name in ((20, "Bea Bronze"), (200, "Sia Silver"), (2_000, "Gus Gold"), (0, "Nia None")):
            who = make_earner(cast.programme, name)
            add([Gain("points", who.id, who.unit_id, day_number(now()), points)])
        tiers.settle_programme(programme)
        told = {each.name: each.verdict for each in preview(programme, spring(tier="silver")).effects}
        assert told == {"Bea Bronze": "tier", "Sia Silver": "gets", "Gus Gold": "gets", "Nia None": "tier"}
        assert preview(programme, spring()).digest != preview(programme, spring(tier="Bronze")).digest
        with pytest.raises(NoSuchTier):
            preview(programme, spring(tier="Platinum"))


class TestForATier:
    """A campaign that was launched for a tier is for nobody else, whichever way a link is opened or renamed."""

    @pytest.fixture
    def two(self, cast: Cast) -> tuple[Membership, Membership]:
        """Gus has Gold and got the link, Nia has nothing."""
        with db.transaction():
            programme = get_programme(cast.programme.id)
            tiers.define(programme, "Gold", 1, 1_000, by=COMMAND)
            gus, nia = make_earner(cast.programme, "Gus Gold"), make_earner(cast.programme, "Nia None")
            add([Gain("points", gus.id, gus.unit_id, day_number(now()), 2_000)])
            tiers.settle_programme(programme)
            seen = preview(programme, spring(tier="Gold"))
            (opened,) = launch(programme, spring(tier="Gold"), digest=seen.digest, by=COMMAND)
            assert opened.membership_id == gus.id
        return gus, nia

    @pytest.mark.parametrize("name", ["spring", "Spring", " SPRING ", "\uff33pring"])
    def test_others_open_no_link_with_its_name_however_written(
        self, two: tuple[Membership, Membership], name: str
    ) -> None:
        with db.transaction(), pytest.raises(ForATier):
            make_link(two[1], campaign=name)
        with db.transaction():
            assert make_link(two[0], campaign=name).campaign == name

    def test_others_do_not_rename_a_link_to_it(self, two: tuple[Membership, Membership]) -> None:
        with db.transaction():
            link = make_link(two[1], campaign="autumn")
            wanted = replace(link_changes.terms_of(link), campaign="Spring")
            with pytest.raises(ForATier):
                link_changes.change_link(link, wanted, by=COMMAND, seen_version=link.version)

    def test_an_import_names_the_rows(self, cast: Cast, two: tuple[Membership, Membership]) -> None:
        with db.transaction(read_only=True):
            rows = "".join(f"{each.number},other {place},\n" for place, each in enumerate(two))
            table = "advocate,campaign,destination\n" + rows.replace("other 1", "spring")
            report = link_import.dry_run(get_programme(cast.programme.id), table)
        assert [each.sentence for each in report.rows if each.outcome == "wrong"] == [
            "The campaign spring is for the tier Gold and those above it."
        ]

    def test_a_launch_for_all_opens_it_to_all(self, cast: Cast, two: tuple[Membership, Membership]) -> None:
        with db.transaction():
            programme = get_programme(cast.programme.id)
            launch(programme, spring(), digest=preview(programme, spring()).digest, by=COMMAND)
            assert make_link(two[1], campaign="spring").membership_id == two[1].id

    @pytest.mark.usefixtures("two")
    def test_a_launch_that_ends_what_it_is_kept_for_is_shown_as_one(self, cast: Cast) -> None:
        with db.transaction():
            programme = get_programme(cast.programme.id)
            tiers.define(programme, "Silver", 2, 500, by=COMMAND)
            kept = {
                tier: preview(programme, spring(name="Spring", tier=tier)).kept_for
                for tier in ("", "gold", "silver")
            }
            assert kept == {"": "Gold", "gold": "", "silver": "Gold"}
            seen = preview(programme, spring())
            tier_campaigns.keep(programme.id, "spring", None)
            with pytest.raises(EffectChanged):
                launch(programme, spring(), digest=seen.digest, by=COMMAND)

    @pytest.mark.usefixtures("two")
    def test_another_programme_keeps_its_names(self, cast: Cast) -> None:
        with db.transaction():
            other = make_programme(cast.north, "other", [cast.manager, cast.hub_admin])
            assert make_link(make_earner(other, "Olga Other"), campaign="spring").programme_id == other.id


def test_the_same_campaign_twice_makes_nothing_twice(cast: Cast) -> None:
    with db.transaction():
        make_earner(cast.programme)
        make_earner(cast.programme, "Bea Other")
        wanted = spring(starts_at=now() + timedelta(days=1))
        digest = preview(cast.programme, wanted).digest

    def begin() -> int:
        with db.transaction():
            return len(launch(cast.programme, wanted, digest=digest, by=COMMAND))

    told = at_once(begin, begin)
    assert sorted(str(each) if isinstance(each, int) else type(each).__name__ for each in told) == [
        "2",
        "EffectChanged",
    ]
    with db.transaction():
        again = preview(cast.programme, wanted)
        assert again.of("gets") == []
        assert launch(cast.programme, wanted, digest=again.digest, by=COMMAND) == []
    assert len(of_campaign()) == 2


def test_a_campaign_is_the_same_however_its_name_is_written(cast: Cast) -> None:
    with db.transaction():
        make_link(make_earner(cast.programme), campaign="spring fair")
        bea = make_earner(cast.programme, "Bea Other")
        found = preview(cast.programme, spring(name="Spring  FAIR"))
        assert [each.verdict for each in found.effects] == ["has", "gets"]
        launch(cast.programme, found.campaign, digest=found.digest, by=COMMAND)
        table = f"advocate,campaign\n{bea.number},spring fair\n{bea.number},New\n{bea.number},new\n"
        report = link_import.dry_run(cast.programme, table)
    assert [each.outcome for each in report.rows] == ["there", "opens", "wrong"]


def test_what_is_confirmed_is_what_was_shown(cast: Cast) -> None:
    with db.transaction():
        make_earner(cast.programme)
        digest = preview(cast.programme, spring()).digest
        make_earner(cast.programme, "Bea Other")
    for wanted in (spring(), spring(name="summer"), spring(destination="https://shop.example/")):
        with pytest.raises(EffectChanged), db.transaction():
            launch(cast.programme, wanted, digest=digest, by=COMMAND)
    assert of_campaign() == []


def test_a_large_programme_gets_its_links_in_steps(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns, "MOST", 1)
    with db.transaction():
        make_earner(cast.programme)
        make_earner(cast.programme, "Bea Other")
    sizes = []
    for _ in range(3):
        with db.transaction():
            seen = preview(cast.programme, spring())
            sizes.append((len(seen.of("gets")), len(seen.of("later"))))
            launch(cast.programme, spring(), digest=seen.digest, by=COMMAND)
    assert sizes == [(1, 1), (1, 0), (0, 0)]


def test_a_campaign_has_a_name_and_leads_where_links_may(cast: Cast) -> None:
    with db.transaction():
        with pytest.raises(CampaignNeedsName):
            preview(cast.programme, spring(name=""))
        with pytest.raises(HostNotAllowed):
            preview(cast.programme, spring(destination="https://evil.example/"))


def test_the_right_of_many_is_the_right_of_each(cast: Cast) -> None:
    with db.transaction():
        members = [make_earner(cast.programme, f"Number {place}") for place in range(5)]
        members.append(make_advocate(cast.programme, "Tina Trainee"))
        change_standing(members[0], "leave", by=COMMAND, reason="away")
        change_standing(members[1], "grace", by=COMMAND, reason="late")
        lost = make_advocate(cast.programme, "Lena Lost")
        members.append(lost)
        revoke(certify(lost), "mistake", by=COMMAND)
        one = publish_policy(cast.programme.id, "conduct", "Conduct", "Be kind.", by=COMMAND)
        two = publish_policy(cast.programme.id, "disclosure", "Disclosure", "Say it.", by=COMMAND)
        for member, versions in ((members[1], (one, two)), (members[2], (one,)), (members[0], (one, two))):
            for version in versions:
                acknowledge(get_person(member.person_id).id, version.id)
        for when in (now(), now() + timedelta(days=500), now() - timedelta(days=1)):
            each = {member.id: right_to_earn(member.id, when).missing for member in members}
            assert missing_in(cast.programme, when) == each
        assert missing_in(cast.other_programme, now()) == {}
