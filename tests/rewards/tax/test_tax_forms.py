"""Tax forms: proven, sealed, decided by another person, good until a day; and payouts that wait for one."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy.exc import DBAPIError
from sqlmodel import select, text

from advocates.membership import Membership
from core import sealed
from core.audit import AuditEntry
from core.clock import at, now
from core.db import session, transaction
from core.outbox import OutboxMessage
from core.people import Person
from core.settings import Settings, configure
from hub import actions
from hub.programmes import Programme
from rewards import sealed_rows
from rewards.payouts import bank_accounts
from rewards.payouts.bank_accounts import BankAccount
from rewards.tax import tax_forms
from rewards.tax.tax_forms import (
    BirthdayNeeded,
    DecidedAlready,
    Details,
    EarlierTaxForm,
    OwnForm,
    ReasonNeeded,
    TaxForm,
    WrongCountry,
    WrongTaxNumber,
    WrongVatNumber,
    checked,
)
from tests.at_once import at_once, while_open
from tests.factories import Cast, acting, make_staff, sign_in
from tests.rewards.stories import approved
from tests.rewards.tax.forms import DAC7, NUMBER, W8, W9, accept, ask, give

TYPED = {
    "kind": "w9", "name": "Ana Advocate", "address": "1 Main Street", "country": "US", "tax_id": NUMBER, "vat_id": "",
    "born_on": "", "certified": "yes",
}  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "refusal"),
    [
        (W9._replace(country="DE"), WrongCountry),
        (W9._replace(tax_id="000-12-3456"), WrongTaxNumber),
        (W9._replace(tax_id=""), WrongTaxNumber),
        (W8._replace(country="US"), WrongCountry),
        (W8._replace(born_on=None), BirthdayNeeded),
        (W8._replace(born_on=date(2999, 1, 1)), BirthdayNeeded),
        (DAC7._replace(country="US"), WrongCountry),
        (DAC7._replace(tax_id=""), WrongTaxNumber),
        (DAC7._replace(tax_id="<b>1234</b>"), WrongTaxNumber),
        (DAC7._replace(vat_id="DE000000000"), WrongVatNumber),
    ],
)
def test_what_cannot_be_true_is_refused(typed: Details, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        checked(typed)


def test_numbers_are_kept_plain() -> None:
    proven = checked(DAC7._replace(vat_id="de 136 695 976"))
    assert (checked(W9).tax_id, checked(W8).tax_id, proven.vat_id) == ("536904399", "", "DE136695976")


def test_a_form_is_kept_sealed_and_shown_by_its_last_figures(ana: Membership) -> None:
    form = give(ana)
    with transaction():
        kept = session().execute(text("SELECT * FROM tax_form")).mappings().one()
        noted = [json.dumps(each.details) for each in session().exec(select(AuditEntry))]
        assert tax_forms.details_of(session().get_one(TaxForm, form.id)) == checked(W9)
    assert "536904399" not in f"{dict(kept)} {noted}"
    assert kept["ends_with"] == "4399"


def test_finance_is_asked_and_the_advocate_is_told(ana: Membership, cast: Cast) -> None:
    form = give(ana)
    with transaction():
        (asked,) = actions.waiting_for(acting(cast.finance), kind=tax_forms.DECIDE).items
        assert (asked.subject_id, asked.summary) == (form.id, "Tax form of Ana Advocate")
        tax_forms.give_back(
            session().get_one(TaxForm, form.id), 1, by=acting(cast.finance), reason=" Not signed. "
        )
        assert actions.waiting_for(acting(cast.finance), kind=tax_forms.DECIDE).items == []
        (mail,) = session().exec(select(OutboxMessage).where(OutboxMessage.subject == form.id))
        assert "Not signed." in mail.content["text"]
        assert session().get_one(TaxForm, form.id).state == "returned"


def test_a_decision_is_of_the_version_that_was_read(ana: Membership, cast: Cast) -> None:
    form = give(ana)
    give(ana, W9._replace(name="Ana Other"))
    with pytest.raises(DecidedAlready):
        accept(form, cast.finance)


def test_two_decide_at_once_and_one_counts(ana: Membership, cast: Cast) -> None:
    form = give(ana)

    answers = at_once(*[lambda: accept(form, cast.finance)] * 3)
    assert sorted(type(each).__name__ for each in answers) == ["DecidedAlready", "DecidedAlready", "NoneType"]


def test_every_version_that_was_given_is_kept_sealed_as_it_stood(ana: Membership, cast: Cast) -> None:
    form = give(ana)
    accept(form, cast.finance)
    give(ana, W8)
    give(ana, DAC7)
    with transaction(read_only=True):
        earlier = tax_forms.earlier_of(form.id)
        assert [(each.version, each.kind, each.state) for each in earlier] == [
            (2, "w8ben", "given"),
            (1, "w9", "accepted"),
        ]
        assert [tax_forms.details_of(each) for each in earlier] == [checked(W8), checked(W9)]
        assert (earlier[1].decided_by, earlier[1].ends_with) == (cast.finance.id, "4399")
        assert earlier[1].replaced_at >= earlier[1].signed_at
        kept = session().execute(text("SELECT * FROM earlier_tax_form")).mappings().all()
    assert "536904399" not in str(kept)


@pytest.mark.parametrize(
    "change", ["UPDATE earlier_tax_form SET state = 'returned'", "DELETE FROM earlier_tax_form"]
)
def test_an_earlier_version_never_changes(ana: Membership, change: str) -> None:
    give(ana)
    give(ana)
    with pytest.raises(DBAPIError, match="earlier_tax_form rows never change"), transaction():
        session().execute(text(change))


def test_a_form_that_is_replaced_while_it_is_accepted_is_kept_as_accepted(
    ana: Membership, cast: Cast
) -> None:
    form = give(ana)

    def accepted() -> None:
        tax_forms.accept(session().get_one(TaxForm, form.id), 1, by=acting(cast.finance))

    replaced = while_open(accepted, lambda: give(ana, DAC7))
    assert isinstance(replaced, TaxForm)
    with transaction():
        assert [(each.version, each.state) for each in tax_forms.earlier_of(form.id)] == [(1, "accepted")]
        now_known = session().get_one(TaxForm, form.id)
        assert (now_known.version, now_known.state, now_known.kind) == (2, "given", "dac7")


def test_nobody_decides_their_own_and_a_reason_is_needed(ana: Membership, cast: Cast) -> None:
    form = give(ana)
    with transaction():
        person = session().get_one(Person, ana.person_id)
        kept = session().get_one(TaxForm, form.id)
        with pytest.raises(OwnForm):
            tax_forms.accept(kept, 1, by=acting(person))
        with pytest.raises(ReasonNeeded):
            tax_forms.give_back(kept, 1, by=acting(cast.finance), reason=" ")


def test_a_w8ben_is_good_until_the_end_of_the_third_year_after_it_was_signed(ana: Membership) -> None:
    with at(datetime(2026, 5, 4, tzinfo=UTC)):
        form = give(ana, W8)
    last = datetime(2029, 12, 31, 23, 59, 59, tzinfo=UTC)
    form.state = "accepted"
    assert [tax_forms.standing(form, each) for each in (last, last + timedelta(seconds=1))] == [
        "accepted",
        "expired",
    ]


def test_sql_and_python_say_the_same_of_every_form(ana: Membership) -> None:
    form, moment = give(ana, W8), now()
    for state in ("given", "accepted", "returned"):
        for until in (None, moment, moment + timedelta(seconds=1)):
            with transaction():
                kept = session().get_one(TaxForm, form.id)
                kept.state, kept.valid_until = state, until
                session().flush()
                said = session().exec(select(tax_forms.standing_in_sql(moment))).one()
                assert said == tax_forms.standing(kept, moment)


def test_bank_accounts_and_forms_move_to_the_newest_key(ana: Membership, settings: Settings) -> None:
    form = give(ana)
    with transaction():
        person = session().get_one(Person, ana.person_id)
        details = bank_accounts.checked("Ana", "DE89370400440532013000", "")
        bank_accounts.set_account(person, details, by=acting(person))
        kept = session().get_one(TaxForm, form.id)
        sound, kept.details = kept.details, "mangled"
        assert sealed_rows.unopenable() == [f"the tax form {form.id} cannot be opened by any key"]
        kept.details = sound
    give(ana, DAC7)
    configure(settings.model_copy(update={"encryption_keys": "n" * 40}))
    with transaction():
        assert [sealed_rows.reseal(), sealed_rows.reseal(), sealed_rows.unopenable()] == [3, 0, []]
        account = session().exec(select(BankAccount)).one()
        assert sealed.unseal(account.iban) == "DE89370400440532013000"
        earlier = session().exec(select(EarlierTaxForm)).one()
        assert tax_forms.details_of(earlier) == checked(W9)
        earlier.details = "mangled"
        assert sealed_rows.unopenable() == [f"the earlier tax form {earlier.id} cannot be opened by any key"]
    configure(settings)


def test_an_advocate_gives_a_form_and_finance_accepts_it(
    client: FlaskClient, cast: Cast, ana: Membership
) -> None:
    ask(cast.programme, "always")
    approved(ana, cast.manager)
    with transaction():
        person = session().get_one(Person, ana.person_id)
    sign_in(client, person)
    assert "/portal/rewards/tax-form" in client.get("/portal/rewards").text
    wrong = client.post("/portal/rewards/tax-form", data=TYPED | {"tax_id": "1"})
    assert (wrong.status_code, "not a tax number" in wrong.text, NUMBER in wrong.text) == (422, True, False)
    assert client.post("/portal/rewards/tax-form", data=TYPED | {"country": "QQ"}).status_code == 422
    assert client.post("/portal/rewards/tax-form", data=TYPED | {"certified": ""}).status_code == 422
    assert client.post("/portal/rewards/tax-form", data=TYPED).status_code == 303
    page = client.get("/portal/rewards/tax-form").text
    assert "4399" in page
    assert "536904399" not in page
    with transaction():
        address = f"/console/payouts/tax-forms/{session().exec(select(TaxForm.id)).one()}"
    sign_in(client, cast.finance)
    assert address in client.get("/console/payouts/tax-forms").text
    assert address in client.get("/console").text
    assert "536904399" in client.get(address).text
    give(ana, DAC7)
    assert "1990-02-03" in client.get(address).text
    give(ana)
    with transaction():
        read = session().exec(select(AuditEntry).where(AuditEntry.action == "tax_form.read")).all()
        assert [each.actor_id for each in read] == [cast.finance.id] * 2
    assert client.post(address, data={"act": "accept", "version": "3"}).status_code == 303
    assert client.post(address, data={"act": "accept", "version": "3"}).status_code == 409
    assert address in client.get("/console/payouts/tax-forms?state=accepted").text


def test_finance_reads_an_earlier_version_with_the_same_right_and_on_the_same_log(
    client: FlaskClient, cast: Cast, ana: Membership
) -> None:
    form = give(ana, W9._replace(name="Ana Before"))
    accept(form, cast.finance)
    give(ana, DAC7)
    address = f"/console/payouts/tax-forms/{form.id}"
    sign_in(client, cast.finance)
    page = client.get(address).text
    assert (f"{address}/versions/1" in page, "Ana Before" in page) == (True, False)
    earlier = client.get(f"{address}/versions/1").text
    assert all(each in earlier for each in ("Ana Before", "536904399", "accepted"))
    with transaction():
        noted = session().exec(select(AuditEntry).where(AuditEntry.action == "tax_form.read")).all()
        assert {(each.actor_id, each.object_id, each.details["version"]) for each in noted} == {
            (cast.finance.id, form.id, 2),
            (cast.finance.id, form.id, 1),
        }
        elsewhere = make_staff("Fiona South", "finance", cast.south)
    for missing in (2, 3, 10**12):
        assert client.get(f"{address}/versions/{missing}").status_code == 404
    for other in (cast.manager, elsewhere, cast.stranger):
        sign_in(client, other)
        assert client.get(f"{address}/versions/1").status_code == 403


def test_moments_of_a_form_are_told_in_the_zone_of_the_programme(
    client: FlaskClient, cast: Cast, ana: Membership
) -> None:
    with transaction():
        session().get_one(Programme, cast.programme.id).time_zone = "Asia/Tokyo"
    with at(datetime(2026, 5, 4, 20, 30, tzinfo=UTC)):
        form = give(ana)
    with at(datetime(2026, 5, 5, 20, 30, tzinfo=UTC)):
        give(ana, DAC7)
    with transaction():
        person = session().get_one(Person, ana.person_id)
    sign_in(client, person)
    assert "given 6 May 2026, 05:30 in Asia/Tokyo" in client.get("/portal/rewards/tax-form").text
    sign_in(client, cast.finance)
    address = f"/console/payouts/tax-forms/{form.id}"
    page = client.get(address).text
    assert "6 May 2026, 05:30 in Asia/Tokyo" in page
    assert "5 May 2026, 05:30" in page
    earlier = client.get(f"{address}/versions/1").text
    assert "5 May 2026, 05:30 in Asia/Tokyo" in earlier
    assert "replaced it on 6 May 2026, 05:30 in Asia/Tokyo" in earlier


def test_forms_are_for_finance_of_a_unit_where_the_person_is_an_advocate(
    client: FlaskClient, cast: Cast, ana: Membership
) -> None:
    address = f"/console/payouts/tax-forms/{give(ana).id}"
    for person in (cast.manager, cast.hub_admin):
        sign_in(client, person)
        assert [client.get(each).status_code for each in ("/console/payouts/tax-forms", address)] == [
            403,
            403,
        ]
    with transaction():
        elsewhere = make_staff("Fiona South", "finance", cast.south)
    sign_in(client, elsewhere)
    assert client.get(address).status_code == 403
    assert "Ana Advocate" not in client.get("/console/payouts/tax-forms").text
    sign_in(client, cast.stranger)
    assert client.get(address).status_code == 403
