"""Files of conversions: tried first, confirmed as shown, recorded in the background, twice without effect."""

import dataclasses
import io
import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlmodel import col, select
from werkzeug.test import TestResponse

from core.access import COMMAND
from core.clock import at, now
from core.db import session, transaction
from core.people import Person
from hub.programmes import get_programme
from referrals.conversions import imports
from referrals.conversions.conversions import Conversion, Refund
from referrals.conversions.import_reading import MOST_ROWS
from referrals.conversions.import_rows import ConversionImport, ImportKind, ImportRow
from referrals.conversions.imports import ForetoldOtherwise
from referrals.conversions.touches import email_hash
from referrals.links.link_changes import change_link, terms_of
from referrals.links.links import get_link
from rewards.reward import Reward
from tests.factories import Cast, acting, sign_in
from tests.referrals.conversions.files import HEAD, MOMENT, lines
from tests.referrals.stories import bring, make_earner, make_link
from tests.rewards.stories import percent_rule

SAYS = r'data-label="What it says">(.*?)</td>'


@pytest.fixture
def ana(cast: Cast) -> str:
    with transaction():
        percent_rule(cast.programme)
        member = make_earner(cast.programme)
        make_link(member, "ana")
    return member.id


def moment() -> str:
    return now().isoformat()


def brought(
    raw: bytes, cast: Cast, kind: ImportKind = "conversions", by: Person | None = None
) -> ConversionImport:
    with transaction():
        made = imports.bring(
            raw, kind, name="november.csv", unit_id=cast.north.id, by=acting(by or cast.manager)
        )
    imports.work()
    return made


def confirmed(made: ConversionImport, cast: Cast) -> None:
    with transaction():
        found = imports.get_import(made.id)
        imports.confirm(found, imports.fingerprint(found, imports.counts(found.id)), by=acting(cast.manager))
    imports.work()


def rows(made: ConversionImport) -> list[tuple[int, str, str]]:
    with transaction():
        found = session().exec(
            select(ImportRow).where(ImportRow.import_id == made.id).order_by(col(ImportRow.line))
        )
        return [(row.line, row.outcome or row.foretold, row.why) for row in found]


def stored() -> list[Conversion]:
    with transaction():
        return list(session().exec(select(Conversion).order_by(Conversion.external_id)).all())


def test_a_file_is_tried_and_nothing_of_it_stays(ana: str, cast: Cast) -> None:
    made = brought(
        lines(
            f"A-1;{moment()};129,00;EUR;ana", f"A-2;{moment()};1;EUR;nobodys", f"A-3;{moment()};1,005;EUR;ana"
        ),
        cast,
    )
    assert rows(made) == [
        (2, "new", "won: code ana"),
        (3, "new", "nobody's: no link with this code"),
        (4, "refused", "This sum has more decimals than its currency."),
    ]
    with transaction():
        assert imports.get_import(made.id).state == "checked"
        assert session().exec(select(Reward)).all() == []
    assert stored() == []


def test_what_was_confirmed_is_recorded_once_and_the_same_file_again_is_known(ana: str, cast: Cast) -> None:
    raw = lines(f"A-1;{moment()};129,00;EUR;ana", f"A-2;{moment()};2900;JPY;ana")
    made = brought(raw, cast)
    confirmed(made, cast)
    assert [(each.external_id, each.amount_minor, each.membership_id) for each in stored()] == [
        ("A-1", 12_900, ana),
        ("A-2", 2_900, ana),
    ]
    again = brought(raw, cast)
    assert [outcome for _, outcome, _ in rows(again)] == ["known", "known"]
    confirmed(again, cast)
    assert len(stored()) == 2
    with transaction():
        assert [each.said for each in session().exec(select(ImportRow))] == [None] * 4
        assert len(session().exec(select(Reward)).all()) == 2


def test_a_line_that_would_go_to_somebody_else_by_now_is_refused_and_the_others_are_recorded(
    ana: str, cast: Cast
) -> None:
    with transaction():
        make_link(make_earner(cast.programme, "Bo Advocate"), "bob")
    head = f"{HEAD};coupon"
    made = brought(lines(f"A-1;{moment()};1;EUR;;SPRING", f"A-2;{moment()};1;EUR;ana;", head=head), cast)
    with transaction():
        link = get_link("bob")
        wanted = dataclasses.replace(terms_of(link), coupon="SPRING")
        change_link(link, wanted, by=COMMAND, seen_version=link.version)
    confirmed(made, cast)
    refused, recorded = rows(made)
    assert (refused[1], recorded[1]) == ("refused", "new")
    assert refused[2] == ForetoldOtherwise().sentence
    assert [(each.external_id, each.membership_id) for each in stored()] == [("A-2", ana)]


def test_who_would_share_is_shown_and_a_line_that_others_share_by_now_is_refused(
    ana: str, cast: Cast, client: FlaskClient
) -> None:
    told = [now() + timedelta(minutes=minutes) for minutes in range(1, 5)]
    with transaction():
        get_programme(cast.programme.id).attribution_rule = "split"
        bo = make_earner(cast.programme, "Bo Advocate")
        make_link(bo, "bob")
        bo_id = bo.id
    raw = lines(
        f"A-1;{told[1].isoformat()};10;EUR;ana;c-1",
        f"A-2;{told[2].isoformat()};10;EUR;ana;c-2",
        f"A-3;{told[3].isoformat()};10;EUR;bob;c-2",
        head=f"{HEAD};customer",
    )
    made = brought(raw, cast)
    assert [why for _line, _outcome, why in rows(made)] == [
        "won: code ana",
        "won: code ana",
        "shared: ana 50 %, bob 50 %",
    ]
    sign_in(client, cast.manager)
    page = client.get(f"/console/conversions/import/{made.id}").text
    assert (page.count("<div>50 %"), page.count("Bo Advocate")) == (2, 1)
    with transaction():
        bring(cast.north.id, code="bob", occurred_at=told[0].isoformat(), customer={"external_id": "c-1"})
    confirmed(made, cast)
    refused, *recorded = rows(made)
    assert refused[1:] == ("refused", ForetoldOtherwise().sentence)
    assert [outcome for _line, outcome, _why in recorded] == ["new", "new"]
    with transaction():
        kept = session().exec(select(ImportRow.shares).order_by(col(ImportRow.line))).all()
    assert kept == [None, None, {ana: 5_000, bo_id: 5_000}]


def test_only_what_was_shown_can_be_confirmed_and_only_once(ana: str, cast: Cast) -> None:
    made = brought(lines(f"A-1;{moment()};129,00;EUR;ana"), cast)
    with pytest.raises(imports.ImportChanged), transaction():
        imports.confirm(imports.get_import(made.id), "0" * 64, by=acting(cast.manager))
    confirmed(made, cast)
    with pytest.raises(imports.ImportChanged):
        confirmed(made, cast)


def test_the_dry_run_shows_what_each_line_is_and_its_sum(ana: str, cast: Cast, client: FlaskClient) -> None:
    raw = lines(
        f"A-1;{moment()};129,00;EUR;ana",
        f"A-2;{moment()};;;ana",
        f"A-3;{moment()};1,005;KRW;ana",
        f"A-4;{moment()};;EUR;ana",
    )
    made = brought(raw, cast)
    sign_in(client, cast.manager)
    page = client.get(f"/console/conversions/import/{made.id}").text
    cells = [" ".join(re.sub("<[^>]+>", " ", each).split()) for each in re.findall(SAYS, page)]
    assert cells == ["Sale €129.00", "Lead", "1,005 KRW", "EUR"]
    refunds = lines(f"R-1,A-1,{moment()},29.00,EUR", head="refund,order,at,amount,currency")
    page = client.get(f"/console/conversions/import/{brought(refunds, cast, 'refunds').id}").text
    assert "€29.00" in page
    confirmed(made, cast)
    assert re.findall(SAYS, client.get(f"/console/conversions/import/{made.id}").text) == []


def test_refunds_come_as_a_file_too_and_wait_for_their_sale(ana: str, cast: Cast) -> None:
    confirmed(brought(lines(f"A-1;{moment()};129,00;EUR;ana"), cast), cast)
    head = "refund,order,at,amount,currency"
    raw = lines(
        *(f"R-{order},A-{order},{moment()},29.00,EUR" for order in (1, 2)),
        f"R-3,A-1,{moment()},200,EUR",
        head=head,
    )
    made = brought(raw, cast, kind="refunds")
    assert rows(made) == [
        (2, "new", "applied"),
        (3, "new", "waits for its sale, which is not known yet"),
        (4, "refused", "All refunds of a sale together cannot be more than the sale."),
    ]
    confirmed(made, cast)
    with transaction():
        assert sorted(each.state for each in session().exec(select(Refund))) == ["applied", "parked"]


def test_a_line_that_refunds_a_sale_in_another_currency_is_refused(ana: str, cast: Cast) -> None:
    confirmed(brought(lines(f"A-1;{moment()};129,00;EUR;ana"), cast), cast)
    raw = lines(
        f"R-1,A-1,{moment()},1,USD", f"R-2,A-1,{moment()},1,eur", head="refund,order,at,amount,currency"
    )
    made = brought(raw, cast, kind="refunds")
    expected = [(2, "refused", "The sale is in EUR, this refund in USD."), (3, "new", "applied")]
    assert rows(made) == expected
    confirmed(made, cast)
    assert rows(made) == expected
    assert [each.refunded_minor for each in stored()] == [100]


def test_a_line_is_tried_beside_earlier_ones_about_its_customer(
    ana: str, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "LINES_PER_STEP", 2)
    others = [f"A-{number};{moment()};10;EUR;ana;" for number in range(2, 6)]
    raw = lines(
        f"A-1;{moment()};10;EUR;ana;c1", *others, f"A-6;{moment()};10;EUR;;c1", head=f"{HEAD};customer"
    )
    made = brought(raw, cast)
    foretold = rows(made)
    assert foretold[-1][1:] == ("new", "won: known customer, last brought by ana")
    confirmed(made, cast)
    assert rows(made) == foretold


def test_a_refund_is_tried_beside_earlier_ones_of_its_order(
    ana: str, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "LINES_PER_STEP", 2)
    confirmed(brought(lines(f"A-1;{moment()};129,00;EUR;ana", f"A-2;{moment()};129,00;EUR;ana"), cast), cast)
    told = [
        ("R-1", "A-1", "100"),
        ("R-2", "A-2", "1"),
        ("R-3", "A-2", "1"),
        ("R-4", "A-1", "29.01"),
        ("R-5", "A-1", "29"),
    ]
    raw = lines(
        *(f"{name},{of},{moment()},{sum_},EUR" for name, of, sum_ in told),
        head="refund,order,at,amount,currency",
    )
    made = brought(raw, cast, "refunds")
    foretold = rows(made)
    assert [outcome for _line, outcome, _why in foretold] == ["new", "new", "new", "refused", "new"]
    confirmed(made, cast)
    assert [outcome for _line, outcome, _why in rows(made)] == [outcome for _line, outcome, _why in foretold]


def test_a_killed_clock_leaves_lines_that_the_next_goes_on_with(
    ana: str, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "LINES_PER_STEP", 2)
    made = brought(lines(*(f"A-{place};{moment()};1;EUR;ana" for place in range(5))), cast)
    with transaction():
        found = imports.get_import(made.id)
        imports.confirm(found, imports.fingerprint(found, imports.counts(found.id)), by=acting(cast.manager))
    record, steps = imports._record, []  # noqa: SLF001 - killed in its middle

    def killed(one: ConversionImport) -> int:
        steps.append(1)
        if len(steps) == 2:
            raise KeyboardInterrupt
        return record(one)

    monkeypatch.setattr(imports, "_record", killed)
    with pytest.raises(KeyboardInterrupt):
        imports.work()
    assert len(stored()) == 2
    assert imports.work() == 0  # the other clock still holds it
    with at(now() + timedelta(hours=2)), transaction():
        assert len(imports.stuck_imports()) == 1
    with at(now() + timedelta(minutes=3)):
        assert imports.work() == 3
    assert [outcome for _, outcome, _ in rows(made)] == ["new"] * 5
    assert len(stored()) == 5


def upload(
    client: FlaskClient, cast: Cast, raw: bytes, name: str = "november.csv", **form: str
) -> TestResponse:
    data = {"kind": "conversions", "unit_id": cast.north.id, "file": (io.BytesIO(raw), name), **form}
    return client.post("/console/conversions/import", data=data, content_type="multipart/form-data")


def test_a_manager_brings_a_file_sees_every_line_and_confirms(
    ana: str, cast: Cast, client: FlaskClient
) -> None:
    sign_in(client, cast.manager)
    sent = upload(client, cast, lines(f"=A-1;{moment()};129,00;EUR;ana", f"=A-2;{moment()};x;EUR;ana"))
    assert sent.status_code == 303
    address = sent.headers["Location"]
    assert 'hx-trigger="every 2s"' in client.get(address).text
    imports.work()
    page = client.get(address).text
    assert "won: code ana" in page
    assert "Ana Advocate" in page
    assert "hx-trigger" not in page
    refused = client.get(f"{address}/refused.csv")
    assert "'=A-2" in refused.text
    seen = re.findall(r'name="seen" value="([0-9a-f]{64})"', page)
    assert client.post(f"{address}/confirm", data={"seen": "0" * 64}).status_code == 409
    assert client.post(f"{address}/confirm", data={"seen": seen[0]}).status_code == 303
    imports.work()
    assert [each.external_id for each in stored()] == ["=A-1"]
    assert "november.csv" in client.get("/console/conversions/import").text
    assert "outcome=new" not in client.get(f"{address}?outcome=refused").text


def test_the_refused_lines_can_be_mended_and_sent_again(ana: str, cast: Cast, client: FlaskClient) -> None:
    head = "order;at;amount;currency;code;customer;email"
    raw = lines(
        f"=A-1;{moment()};12x;EUR;ana;-7;Mia@Example.org",
        f"A-2;{moment()};1;EUR;ana;c-2;",
        f"A-3;{moment()};1,005;EUR;ana;;",
        head=head,
    )
    made = brought(raw, cast)
    confirmed(made, cast)
    sign_in(client, cast.manager)
    refused = client.get(f"/console/conversions/import/{made.id}/refused.csv").text
    assert refused.count("\n") == 3
    assert ("12x" in refused, "Mia" in refused, "A-2" in refused) == (True, False, False)
    with transaction():
        kept = {each.external_id: each.cells for each in session().exec(select(ImportRow))}
    assert (kept["A-2"], kept["A-3"] and kept["A-3"]["amount"]) == (None, "1,005")
    again = brought(refused.replace("12x", "12").replace("1,005", "1").encode(), cast)
    assert [(outcome, why) for _, outcome, why in rows(again)] == [("new", "won: code ana")] * 2
    confirmed(again, cast)
    mended = {each.external_id: each for each in stored()}
    assert (mended["=A-1"].amount_minor, mended["=A-1"].customer_id) == (1_200, "-7")
    assert mended["=A-1"].email_sha256 == email_hash("mia@example.org")
    assert set(mended) == {"=A-1", "A-2", "A-3"}


def test_refused_refunds_come_with_their_columns(ana: str, cast: Cast, client: FlaskClient) -> None:
    confirmed(brought(lines(f"A-1;{moment()};129,00;EUR;ana"), cast), cast)
    told = moment()
    raw = lines(f"R-1,A-1,{told},1,USD,broken", head="refund,order,at,amount,currency,reason")
    made = brought(raw, cast, kind="refunds")
    sign_in(client, cast.manager)
    refused = client.get(f"/console/conversions/import/{made.id}/refused.csv").text.splitlines()
    assert refused[0].lstrip("\ufeff") == "refund,order,at,amount,currency,reason,line,why"
    assert refused[1].startswith(f"R-1,A-1,{told},1,USD,broken,2,")


def test_a_file_that_is_none_comes_back_with_a_sentence(cast: Cast, client: FlaskClient) -> None:
    sign_in(client, cast.manager)
    wrong = upload(client, cast, b"a,b\n1,2\n")
    assert (wrong.status_code, "“order”, “at” is missing" in wrong.text) == (422, True)
    assert upload(client, cast, b"order,at\n\xff\n").status_code == 422
    assert upload(client, cast, b"").status_code == 422
    assert upload(client, cast, lines("1"), kind="poems").status_code == 422
    kind = "multipart/form-data; boundary=b"
    assert (
        client.post("/console/conversions/import", data=b"x" * 5_000_000, content_type=kind).status_code
        == 413
    )
    assert upload(client, cast, lines(*["1"] * (MOST_ROWS + 1))).status_code == 413
    assert client.post("/console/conversions/import", data={"kind": "conversions"}).status_code == 422


def test_a_file_of_two_megabytes_is_taken(cast: Cast, client: FlaskClient) -> None:
    sign_in(client, cast.manager)
    raw = lines(*[f"A;{MOMENT};1;EUR;{'x' * 2_000}"] * 1_000)
    part = '--b\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n'
    fields = "".join(
        f"{part.format(*each, '')}{value}\r\n"
        for *each, value in (("kind", "conversions"), ("unit_id", cast.north.id))
    )
    body = (fields + part.format("file", '; filename="a.csv"')).encode() + raw + b"\r\n--b--\r\n"
    sent = client.post(
        "/console/conversions/import", data=body, content_type="multipart/form-data; boundary=b"
    )
    assert (len(body) > 2_000_000, sent.status_code) == (True, 303)


def test_strangers_and_other_units_get_nothing(ana: str, cast: Cast, client: FlaskClient) -> None:
    made = brought(lines(f"A-1;{moment()};129,00;EUR;ana"), cast)
    address = f"/console/conversions/import/{made.id}"
    for person, statuses in ((cast.stranger, {403}), (cast.marketing, {403}), (cast.other_manager, {404})):
        sign_in(client, person)
        answers = [
            client.get(address),
            client.get(f"{address}/refused.csv"),
            client.post(f"{address}/confirm", data={"seen": "x"}),
        ]
        assert {each.status_code for each in answers} == statuses, person.name
        assert upload(client, cast, lines("1")).status_code == (404 if person is cast.other_manager else 403)
        client.post("/logout")
    assert client.get(address).status_code == 302
