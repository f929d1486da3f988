"""Doors for visitors: the form, the receipt's link, and what does not work without it."""

from flask.testing import FlaskClient
from sqlmodel import select

from advocates import applications
from advocates.applications import Application
from core.db import session, transaction
from hub.programmes import Programme
from tests.advocates.stories import FORM, mails_to, make_application, private_link, text_of
from tests.factories import Cast, acting, sign_in


def stored() -> list[Application]:
    with transaction(read_only=True):
        return list(session().exec(select(Application)).all())


def test_apply_offers_the_open_programmes_and_goes_to_the_only_one(client: FlaskClient, cast: Cast) -> None:
    page = client.get("/apply")
    assert page.status_code == 200
    assert "/apply/makers" in page.text
    assert "/apply/gardeners" in page.text
    with transaction():
        session().get_one(Programme, cast.other_programme.id).open_to_applications = False
    assert client.get("/apply").headers["Location"] == "/apply/makers"
    with transaction():
        session().get_one(Programme, cast.programme.id).open_to_applications = False
    assert "No programme takes applications" in client.get("/apply").text
    assert "does not take applications" in client.get("/apply/makers").text


def test_a_visitor_applies_reads_back_answers_and_withdraws(client: FlaskClient, cast: Cast) -> None:
    assert "I am at least 18 years old." in client.get("/apply/makers").text
    answer = client.post("/apply/makers", data=FORM)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/apply/makers/thanks")
    assert "Thank you" in client.get(answer.headers["Location"]).text

    private = private_link(mails_to("ines@example.org")[0])
    page = client.get(private)
    assert page.status_code == 200
    assert "mended bicycles" in page.text
    assert "You have an answer by" in page.text
    assert client.post(private, data={"answer": "Nobody asked."}).status_code == 409

    with transaction():
        [application] = session().exec(select(Application)).all()
        applications.ask_info(application, by=acting(cast.manager), reason="Which tools?", note="hm, hm")
    page = client.get(private)
    assert "Which tools?" in page.text
    assert "hm, hm" not in page.text
    assert client.post(private, data={"answer": " "}).status_code == 422
    assert client.post(private, data={"answer": "The wrench."}).status_code == 303
    assert "The wrench." in client.get(private).text

    assert client.post(f"{private}/withdraw").status_code == 303
    assert client.post(f"{private}/withdraw").status_code == 409
    assert stored()[0].state == "withdrawn"
    assert "Withdraw my application" not in client.get(private).text


def test_a_refused_form_keeps_what_was_typed_and_stores_nothing(client: FlaskClient, cast: Cast) -> None:
    typed = {**FORM, "email": "nonsense", "why": "<b>bold</b>"}
    del typed["age"]
    page = client.post("/apply/makers", data=typed)
    assert page.status_code == 422
    assert "This is not an e-mail address." in page.text
    assert "&lt;b&gt;bold&lt;/b&gt;" in page.text
    assert 'id="f-age-error"' in page.text
    assert stored() == []


def test_the_answer_is_the_same_whatever_is_known_of_an_address_and_the_mail_tells(
    client: FlaskClient, cast: Cast
) -> None:
    with transaction():
        make_application()
    again = client.post("/apply/makers", data={**FORM, "name": "Buy Now", "why": "https://spam.example"})
    with_account = client.post("/apply/makers", data={**FORM, "email": cast.stranger.email})
    without = client.post("/apply/makers", data={**FORM, "email": "nobody@example.org"})
    answers = {
        (each.status_code, each.headers["Location"], each.text) for each in (again, with_account, without)
    }
    assert len(answers) == 1
    assert [each.why for each in stored() if each.email == "ines@example.org"] == [FORM["why"]]
    _receipt, told = mails_to("ines@example.org")
    assert told["Subject"] == "You have applied to Makers already"
    for part in ("plain", "html"):
        assert "spam" not in text_of(told, part)
        assert "Buy Now" not in text_of(told, part)
    assert "mended bicycles" in client.get(private_link(told)).text


def test_a_closed_programme_mails_nobody_and_says_so_to_everybody(client: FlaskClient, cast: Cast) -> None:
    with transaction():
        make_application()
        session().get_one(Programme, cast.programme.id).open_to_applications = False
    for email in (FORM["email"], "nobody@example.org"):
        assert client.post("/apply/makers", data={**FORM, "email": email}).status_code == 409
    assert len(mails_to("ines@example.org")) == 1


def test_a_robot_that_fills_the_hidden_field_gets_the_same_page_and_leaves_nothing(
    client: FlaskClient, cast: Cast
) -> None:
    answer = client.post("/apply/makers", data={**FORM, "website": "https://spam.example"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/apply/makers/thanks")
    assert stored() == []
    assert mails_to("ines@example.org") == []


def test_fields_that_are_not_in_the_form_change_nothing(client: FlaskClient, cast: Cast) -> None:
    for field in ("state", "unit_id", "programme", "membership_id", "person_id", "decide_by"):
        assert client.post("/apply/makers", data={**FORM, field: "accepted"}).status_code == 422
    assert stored() == []


def test_tries_are_counted_per_address_whatever_comes_of_them(client: FlaskClient, cast: Cast) -> None:
    codes = [client.post("/apply/makers", data=FORM).status_code for _ in range(7)]
    assert codes == [303, 303, 303, 303, 303, 429, 429]


def test_programmes_and_links_that_are_not_there(client: FlaskClient, cast: Cast) -> None:
    for path in ("/apply/nowhere", "/apply/nowhere/thanks", f"/apply/{'x' * 43}", f"/apply/{'x' * 44}"):
        assert client.get(path).status_code == 404
    assert client.post("/apply/nowhere", data=FORM).status_code == 404
    assert client.post(f"/apply/{'x' * 43}/withdraw").status_code == 404


def test_who_was_signed_in_is_remembered_so_that_they_do_not_decide(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.manager)
    client.post("/apply/makers", data=FORM)
    assert stored()[0].person_id == cast.manager.id
    decided = client.post(f"/console/applications/{stored()[0].id}", data={"decision": "accept"})
    assert decided.status_code == 403
