from collections.abc import Callable, Iterable
from datetime import date, timedelta

import pytest
from sqlmodel import col, func, select

from advocates.membership import Membership
from core import db
from core.access import COMMAND
from core.audit import AuditEntry
from core.clock import now
from hub.programmes import Programme
from referrals.links import link_import
from referrals.links.link_import import (
    NothingToImport,
    ReportChanged,
    RowsAreWrong,
    dry_run,
    import_links,
    report_file,
)
from referrals.links.link_list import LinksQuery, as_file
from referrals.links.link_rows import read_rows
from referrals.links.links import MOST_LINKS, Link, TooManyLinks, end_link, find_link
from tests.at_once import at_once
from tests.factories import Cast, make_advocate
from tests.referrals.stories import make_earner, make_link

HEAD = "code,advocate,destination,campaign,coupon,starts,ends\n"


@pytest.fixture
def ana(cast: Cast) -> Membership:
    with db.transaction():
        return make_earner(cast.programme)


def outcomes(programme: Programme, text: str) -> list[tuple[int, str, str]]:
    with db.transaction(read_only=True):
        return [(each.line, each.outcome, each.sentence) for each in dry_run(programme, text).rows]


def run(programme: Programme, text: str) -> list[Link]:
    with db.transaction(read_only=True):
        digest = dry_run(programme, text).digest
    with db.transaction():
        return import_links(programme, text, digest=digest, by=COMMAND)


def how_many() -> int:
    with db.transaction(read_only=True):
        return db.session().exec(select(func.count(col(Link.id)))).one()


def test_a_dry_run_says_what_each_row_would_do_and_writes_nothing(cast: Cast, ana: Membership) -> None:
    before = how_many()
    last = (now().date() + timedelta(days=30)).isoformat()
    table = f"{HEAD}spring,{ana.number},https://shop.example/s,spring fair,SPRING5,,{last}\n,ANA.ADVOCATE@example.org,,,,,\n"
    (first, second) = outcomes(cast.programme, table)
    assert first == (2, "opens", f"Opens spring for Ana Advocate, to https://shop.example/s, until {last}.")
    assert second[:2] == (3, "opens")
    assert how_many() == before


def test_an_import_opens_what_was_shown_and_a_second_one_nothing(cast: Cast, ana: Membership) -> None:
    last = now().date() + timedelta(days=30)
    table = f"{HEAD}Spring,{ana.number},https://shop.example/s,fair,spring5,,{last}\n,{ana.number},,summer,,{last},\n"
    opened = run(cast.programme, table)
    assert opened[0].code_shape == "sprlng"
    with db.transaction(read_only=True):
        spring = find_link("SPRING")
        assert spring is not None
        assert (spring.coupon, spring.campaign, spring.membership_id) == ("SPRING5", "fair", ana.id)
        assert spring.ends_at is not None
        assert spring.ends_at.date() == last + timedelta(days=1)
        assert opened[1].code.startswith("ana-")
        assert opened[1].starts_at.date() == last
        done = db.session().exec(select(AuditEntry).where(AuditEntry.action == "links.imported")).one()
        assert done.details["links"] == 2
    assert [each[1] for each in outcomes(cast.programme, table)] == ["there", "there"]
    with pytest.raises(NothingToImport):
        run(cast.programme, table)


def test_everything_that_is_wrong_is_told_with_its_line(cast: Cast, ana: Membership) -> None:
    with db.transaction():
        trainee = make_advocate(cast.programme, "Tina Trainee")
        other = make_earner(cast.other_programme, "Sofia South")
        make_link(ana, "lilo", coupon="TAKEN5")
    yesterday = now().date() - timedelta(days=1)
    rows = [
        (f"x,{ana.number},,,,,", "A code has 3 to 40"),
        (f"1ilo,{ana.number},,,,,", "looks like one that is in use"),
        (f"twin-1,{ana.number},,,,,", "Two rows have this code"),
        (f"twin-l,{ana.number},,,,,", "Two rows have this code"),
        (f",{ana.number},https://evil.example/,,,,", "do not lead to that host"),
        (f",{ana.number},javascript:alert(1),,,,", "full address"),
        (f",{ana.number},,,taken5,,", "This coupon is already in use"),
        (f",{ana.number},,,twice,,", "Two rows have this coupon"),
        (f",{ana.number},,,TWICE,,", "Two rows have this coupon"),
        (f",{ana.number},,,,{yesterday},", "starts today at the earliest"),
        (f",{ana.number},,,,,{yesterday}", "is today at the earliest"),
        (f",{ana.number},,,,{date.max},", "starts today at the earliest"),
        (f",{trainee.number},,,,,", "not certified"),
        (f",{other.number},,,,,", "No advocate of this programme"),
        (",nobody@example.org,,,,,", "No advocate of this programme"),
        (f",{'9' * 40},,,,,", "No advocate of this programme"),
    ]
    table = HEAD + "".join(f"{row}\n" for row, _says in rows)
    told = outcomes(cast.programme, table)
    for (line, outcome, sentence), (row, says) in zip(told, rows, strict=True):
        assert (outcome, says in sentence) == ("wrong", True), (line, row, sentence)
    before = how_many()
    with pytest.raises(RowsAreWrong):
        run(cast.programme, table)
    assert how_many() == before


def test_somebody_elses_code_is_in_use_and_two_links_of_a_campaign_need_codes(
    cast: Cast, ana: Membership
) -> None:
    with db.transaction():
        bea = make_earner(cast.programme, "Bea Other")
        make_link(bea, "bea")
    rows = f"bea,{ana.number},,,,,\n,{ana.number},,spring,,,\n,{ana.number},,spring,,,\nmore,{ana.number},,spring,,,\n"
    assert [each[1] for each in outcomes(cast.programme, HEAD + rows)] == ["wrong", "opens", "wrong", "opens"]


def test_rows_open_no_more_links_than_one_advocate_can_have(cast: Cast, ana: Membership) -> None:
    with db.transaction():
        bea = make_earner(cast.programme, "Bea Other")
        make_link(ana, "first")  # beside the one that every advocate gets
        end_link(make_link(ana, "ended"), by=COMMAND)
    rows = "".join(f"spring-{place},{ana.number},,,,,\n" for place in range(MOST_LINKS + 1))
    told = outcomes(cast.programme, f"{HEAD}first,{ana.number},,,,,\n{rows}bea,{bea.number},,,,,\n")
    assert [each[1] for each in told] == ["there", *["opens"] * (MOST_LINKS - 2), *["wrong"] * 3, "opens"]
    assert told[-2][2] == TooManyLinks.__doc__


def test_what_is_confirmed_is_what_was_shown_or_nothing(cast: Cast, ana: Membership) -> None:
    table = f"{HEAD}spring,{ana.number},,,,,\nfair,{ana.number},,,,,\n"
    with db.transaction(read_only=True):
        digest = dry_run(cast.programme, table).digest
        assert dry_run(cast.programme, "\ufeff" + table.replace("\n", "\r\n")).digest == digest
    with db.transaction(), pytest.raises(ReportChanged):
        import_links(cast.programme, table.replace("fair", "fare"), digest=digest, by=COMMAND)
    with db.transaction():
        make_link(ana, "fair")
    before = how_many()
    with pytest.raises(ReportChanged), db.transaction():
        import_links(cast.programme, table, digest=digest, by=COMMAND)
    assert how_many() == before


def confirming(cast: Cast, table: str) -> Callable[[], int]:
    """A click on the button below a report that was shown; answers how many links it opened."""
    with db.transaction(read_only=True):
        digest = dry_run(cast.programme, table).digest

    def confirm() -> int:
        with db.transaction():
            return len(import_links(cast.programme, table, digest=digest, by=COMMAND))

    return confirm


def names(told: Iterable[object]) -> list[str]:
    return sorted(str(each) if isinstance(each, int) else type(each).__name__ for each in told)


def test_two_confirmations_at_once_import_once(cast: Cast, ana: Membership) -> None:
    confirm, before = (
        confirming(cast, f"{HEAD}spring,{ana.number},,,,,\n,{ana.number},,fair,,,\n"),
        how_many(),
    )
    assert names(at_once(confirm, confirm)) == ["2", "ReportChanged"]
    assert how_many() == before + 2


def test_a_report_is_confirmed_once_also_where_nothing_in_its_rows_tells_that_it_was(
    cast: Cast, ana: Membership
) -> None:
    table = f"advocate\n{ana.number}\n{ana.number}\n"
    confirm, before = confirming(cast, table), how_many()
    assert names(at_once(confirm, confirm, confirm)) == ["2", "ReportChanged", "ReportChanged"]
    with db.transaction():
        for link in db.session().exec(select(Link).where(Link.membership_id == ana.id)).all():
            end_link(link, by=COMMAND)
    with pytest.raises(ReportChanged):
        confirm()
    assert how_many() == before + 2
    assert len(run(cast.programme, table)) == 2  # on purpose, after another look


def test_the_list_as_a_file_can_be_imported_again(cast: Cast, ana: Membership) -> None:
    with db.transaction():
        make_link(ana, "spring", campaign="-fair", coupon="SPRING5", ends_at=now() + timedelta(days=3))
    with db.transaction(read_only=True):
        number, content = as_file(LinksQuery(), frozenset({cast.north.id}))
    text = content.decode("utf-8-sig")
    assert number == len(text.splitlines()) - 1 == 2
    assert ",'-fair," in text
    assert "-fair" in {each.row and each.row.campaign for each in read_rows(text)}
    assert [each[1] for each in outcomes(cast.programme, text)] == ["there", "there"]


def test_the_report_as_a_file_has_no_formulas(cast: Cast) -> None:
    with db.transaction(read_only=True):
        report = dry_run(cast.programme, 'advocate\n"=HYPERLINK(""http://x.example"")"\n')
        text = report_file(report).decode("utf-8-sig")
    assert "'=HYPERLINK" in text
    assert ",=" not in text
    assert report.rows[0].outcome == "wrong"


def test_a_sentence_stands_for_everything_a_member_can_lack() -> None:
    assert set(link_import.LACKS) == {"term", "certification", "policy"}
