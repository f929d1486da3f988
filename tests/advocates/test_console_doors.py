"""Doors for staff: what they see and decide, what the stranger and the other unit's manager get."""

import csv
import io
import re

import pytest
from flask.testing import FlaskClient
from openpyxl import load_workbook
from pypdf import PdfReader
from sqlmodel import col, select

from advocates.applications import Application
from advocates.membership import Membership, current_standing
from core.access import COMMAND
from core.audit import AuditEntry
from core.db import session, transaction
from hub.metrics import Gain, add
from hub.roles import give_role
from tests.advocates.stories import FORM, mails_to, make_application, text_of
from tests.factories import Cast, make_advocate, make_programme, sign_in


@pytest.fixture
def application(cast: Cast) -> Application:
    with transaction():
        return make_application()


@pytest.fixture
def member(cast: Cast) -> Membership:
    with transaction():
        made = make_advocate(cast.programme)
        made.shown_by_name = True
        session().add(made)
        other = make_advocate(cast.other_programme, "Sue South")
        add(
            [
                Gain("sales", made.id, made.unit_id, 20261102, 3),
                Gain("sales", other.id, other.unit_id, 20261102, 9),
                Gain("clicks", made.id, made.unit_id, 20261102, 1_234),
                Gain("revenue:EUR", made.id, made.unit_id, 20261102, 12_900),
            ]
        )
        return made


PAGES = ("/console/applications", "/console/advocates", "/console/leaderboard", "/console/leaderboard.csv")


@pytest.mark.parametrize("path", PAGES)
def test_nobody_comes_in_without_a_role(client: FlaskClient, cast: Cast, path: str) -> None:
    assert client.get(path).headers["Location"].startswith("/login")
    assert sign_in(client, cast.stranger).get(path).status_code == 403


def test_an_application_of_another_unit_is_not_there(
    client: FlaskClient, cast: Cast, application: Application
) -> None:
    path = f"/console/applications/{application.id}"
    sign_in(client, cast.other_manager)
    assert client.get(path).status_code == 404
    assert client.post(path, data={"decision": "accept"}).status_code == 404
    assert "Ines" not in client.get("/console/applications").text


def test_somebody_without_the_right_may_not_decide(
    client: FlaskClient, cast: Cast, application: Application
) -> None:
    path = f"/console/applications/{application.id}"
    for person in (cast.stranger, cast.marketing, cast.finance):
        sign_in(client, person)
        assert client.get(path).status_code == 403
        assert client.post(path, data={"decision": "accept"}).status_code == 403


def test_a_manager_finds_filters_and_accepts(
    client: FlaskClient, cast: Cast, application: Application
) -> None:
    sign_in(client, cast.manager)
    for query in (
        "",
        "?q=INES",
        "?state=open",
        "?state=submitted",
        "?programme=makers",
        "?sort=due",
        "?sort=-due",
    ):
        assert "Ines Applicant" in client.get(f"/console/applications{query}").text, query
    for query in ("?q=%25", "?state=declined", "?programme=gardeners"):
        assert "Nothing like that" in client.get(f"/console/applications{query}").text, query
    path = f"/console/applications/{application.id}"
    page = client.get(path)
    assert "mended bicycles" in page.text
    answer = client.post(path, data={"decision": "accept", "note": "a find"})
    assert (answer.status_code, answer.headers["Location"]) == (303, path)
    page = client.get(path)
    assert "a find" in page.text
    assert "/console/advocates/" in page.text
    assert 'value="accept"' not in page.text
    assert client.post(path, data={"decision": "decline", "reason": "Oh."}).status_code == 409
    assert "/welcome/" in text_of(mails_to("ines@example.org")[-1])


@pytest.mark.parametrize(
    ("decision", "state"), [("ask", "needs_info"), ("waitlist", "waitlisted"), ("decline", "declined")]
)
def test_every_other_answer_needs_words_for_the_applicant(
    client: FlaskClient, cast: Cast, application: Application, decision: str, state: str
) -> None:
    sign_in(client, cast.manager)
    path = f"/console/applications/{application.id}"
    refused = client.post(path, data={"decision": decision, "note": "only ours"})
    assert refused.status_code == 422
    assert "The applicant reads this" in refused.text
    assert "only ours" in refused.text
    assert client.post(path, data={"decision": decision, "reason": "Here is why."}).status_code == 303
    with transaction(read_only=True):
        assert session().get_one(Application, application.id).state == state
    assert "Here is why." in text_of(mails_to("ines@example.org")[-1])


def test_a_decision_that_does_not_exist_is_refused(
    client: FlaskClient, cast: Cast, application: Application
) -> None:
    sign_in(client, cast.manager)
    path = f"/console/applications/{application.id}"
    for data in ({}, {"decision": "pay"}, {"decision": "take_up", "unit_id": cast.south.id}):
        assert client.post(path, data=data).status_code == 422
    assert client.post(path, data={"decision": "take_up"}).status_code == 303


def test_long_lists_come_in_pages(client: FlaskClient, cast: Cast) -> None:
    with transaction():
        for number in range(51):
            make_application(email=f"a{number}@example.org", name=f"Applicant {number:03}")
    sign_in(client, cast.manager)
    seen: list[str] = []
    path: str | None = "/console/applications?sort=submitted"
    while path:
        page = client.get(path).text
        seen += re.findall(r"Applicant (\d{3})", page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = following[1].replace("&amp;", "&") if following else None
    assert seen == [f"{number:03}" for number in range(51)]


def test_the_roster_shows_ones_own_units_only(client: FlaskClient, cast: Cast, member: Membership) -> None:
    page = sign_in(client, cast.manager).get("/console/advocates").text
    assert "Ana Advocate" in page
    assert "1,234" in page
    assert "Sue South" not in page
    for query in ("?q=ana", "?q=1", "?q=%231", "?state=active", "?programme=makers", "?sort=-joined"):
        assert "Ana Advocate" in client.get(f"/console/advocates{query}").text, query
    for query in ("?q=zzz", "?q=99999999999999999999", "?state=alumni"):
        assert "Nothing like that" in client.get(f"/console/advocates{query}").text, query
    assert "Sue South" in sign_in(client, cast.hub_admin).get("/console/advocates").text


def test_an_advocate_s_page_has_the_time_line_and_a_standing_to_change(
    client: FlaskClient, cast: Cast, member: Membership
) -> None:
    path = f"/console/advocates/{member.id}"
    for person, code in ((cast.stranger, 403), (cast.other_manager, 404)):
        sign_in(client, person)
        assert client.get(path).status_code == code
        assert client.post(path, data={"state": "removed", "reason": "No."}).status_code == code
    sign_in(client, cast.marketing)
    assert "ana.advocate@example.org" not in client.get(path).text
    assert client.post(path, data={"state": "removed", "reason": "No."}).status_code == 403
    sign_in(client, cast.manager)
    assert "ana.advocate@example.org" in client.get(path).text
    assert client.post(path, data={"state": "leave"}).status_code == 422
    assert client.post(path, data={"state": "leave", "reason": "A new baby."}).status_code == 303
    page = client.get(path).text
    assert "A new baby." in page
    assert "A term began" in page
    with transaction(read_only=True):
        assert current_standing(member.id).state == "leave"


def test_somebody_s_way_stands_on_their_time_line(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.manager)
    client.post("/apply/makers", data={**FORM, "email": "tim.line@example.org"})
    with transaction(read_only=True):
        application = session().exec(select(Application)).one()
    # Somebody else decides: the manager was signed in while applying.
    sign_in(client, cast.hub_admin)
    assert (
        client.post(f"/console/applications/{application.id}", data={"decision": "accept"}).status_code == 303
    )
    with transaction(read_only=True):
        made = session().exec(select(Membership)).one()
    page = client.get(f"/console/advocates/{made.id}").text
    for words in (
        "Applied",
        "Application accepted",
        "Training began",
        "Mail: Welcome to Makers",
        "A term began",
    ):
        assert words in page, words


def test_the_leaderboard_says_who_how_many_and_the_rule(
    client: FlaskClient, cast: Cast, member: Membership
) -> None:
    sign_in(client, cast.marketing)
    page = client.get("/console/leaderboard").text
    assert "Ana Advocate" in page
    assert "Sue South" not in page
    assert "Advocate #2" not in page
    assert "share a rank" in page
    revenue = client.get("/console/leaderboard?metric=revenue&period=2026-Q4&unit=north&limit=10").text
    assert "€129.00" in revenue
    assert "Nobody is on this board" in client.get("/console/leaderboard?period=1999").text
    assert "Advocate #2" in sign_in(client, cast.hub_admin).get("/console/leaderboard?unit=south").text


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("metric=followers", 422),
        ("period=soon", 422),
        ("from=2026-02-30", 422),
        ("from=20261102", 422),
        ("from=2026-02-02&to=2026-02-01", 422),
        ("limit=0", 422),
        ("limit=1001", 422),
        ("limit=" + "9" * 5_000, 422),
        ("metric=revenue&currency=XXQ", 422),
        ("unit=south", 404),
        ("unit=nowhere", 404),
        ("after=abc", 400),
        ("colour=red", 422),
        ("metric=%00", 422),
    ],
)
def test_what_the_leaderboard_refuses(client: FlaskClient, cast: Cast, query: str, code: int) -> None:
    sign_in(client, cast.marketing)
    assert client.get(f"/console/leaderboard?{query}").status_code == code
    assert client.get(f"/console/leaderboard.csv?{query}").status_code == code


def test_days_that_are_no_period_are_a_leaderboard_too(
    client: FlaskClient, cast: Cast, member: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy import literal
    from sqlalchemy import select as columns

    fact = columns(
        literal("sales").label("metric"),
        literal(member.id).label("member_id"),
        literal(member.unit_id).label("unit_id"),
        literal(20261102).label("day"),
        literal(3).label("value"),
    )
    monkeypatch.setattr("hub.metrics._facts", {"sales": lambda: columns(fact.subquery())})
    sign_in(client, cast.marketing)
    assert "Ana Advocate" in client.get("/console/leaderboard?from=2026-11-02&to=2026-11-02").text
    assert "Ana Advocate" in client.get("/console/leaderboard?from=2026-11-01").text
    assert "Ana Advocate" not in client.get("/console/leaderboard?from=2026-11-03&to=2026-12-02").text


def test_files_have_the_board_and_the_log_has_the_files(
    client: FlaskClient, cast: Cast, member: Membership
) -> None:
    sign_in(client, cast.marketing)
    made = {f: client.get(f"/console/leaderboard.{f}?period=2026-11") for f in ("csv", "xlsx", "json", "pdf")}
    assert {answer.status_code for answer in made.values()} == {200}
    assert made["csv"].headers["Content-Disposition"] == (
        'attachment; filename="leaderboard-sales-2026-11-01-2026-11-30.csv"'
    )
    assert list(csv.reader(io.StringIO(made["csv"].data.decode("utf-8-sig"))))[1][1] == "Ana Advocate"
    sheet = load_workbook(io.BytesIO(made["xlsx"].data)).active
    assert sheet is not None
    assert sheet["B2"].value == "Ana Advocate"
    assert made["json"].json is not None
    assert made["json"].json["items"][0]["value"] == 3
    assert "Ana Advocate" in PdfReader(io.BytesIO(made["pdf"].data)).pages[0].extract_text()
    assert client.get("/console/leaderboard.docx").status_code == 404
    with transaction(read_only=True):
        log = (
            session()
            .exec(
                select(AuditEntry)
                .where(AuditEntry.action == "leaderboard.exported")
                .order_by(col(AuditEntry.seq))
            )
            .all()
        )
    assert [(each.actor_id, each.details["format"], each.details["places"]) for each in log] == [
        (cast.marketing.id, kind, 1) for kind in ("csv", "xlsx", "json", "pdf")
    ]


def test_addresses_only_for_whom_the_role_allows_it(
    client: FlaskClient, cast: Cast, member: Membership
) -> None:
    sign_in(client, cast.marketing)
    assert client.get("/console/leaderboard.csv?emails=yes").status_code == 403
    assert "emails=yes" not in client.get("/console/leaderboard").text
    sign_in(client, cast.manager)
    assert "emails=yes" in client.get("/console/leaderboard").text
    assert "ana.advocate@example.org" in client.get("/console/leaderboard.csv?emails=yes").text
    assert "ana.advocate@example.org" not in client.get("/console/leaderboard.csv").text
    assert sign_in(client, cast.finance).get("/console/leaderboard.csv").status_code == 403
    with transaction():
        give_role(cast.other_manager, "marketing", cast.north.id, by=COMMAND)
        make_programme(cast.south, "second", [cast.hub_admin, cast.other_manager])
    sign_in(client, cast.other_manager)  # may see addresses in one unit, and not in the other
    assert client.get("/console/leaderboard.csv?emails=yes").status_code == 403
    assert client.get("/console/leaderboard.csv?emails=yes&unit=south").status_code == 200
