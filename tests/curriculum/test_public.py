"""The public page of a certificate: everything that is printed, and whether it still counts."""

from datetime import timedelta
from io import BytesIO

import pytest
from flask.testing import FlaskClient
from pypdf import PdfReader

from core.clock import at
from core.db import session, transaction
from core.people import get_person
from curriculum.certificate_pdf import render_certificates
from curriculum.certification import Award, Certificate, revoke
from curriculum.enrolment import Enrolment
from tests.at_once import at_once
from tests.curriculum.stories import certify
from tests.factories import Cast, acting, make_advocate


@pytest.fixture
def held(cast: Cast, learner: Enrolment) -> Award:
    """Otto's award."""
    with transaction():
        return certify(make_advocate(cast.programme, "Otto Öztürk"), "93.333333")


def test_page_shows_every_fact_and_no_address(client: FlaskClient, held: Award) -> None:
    answer = client.get(f"/verify/{held.verify_id}")
    for fact in ("Otto Öztürk", "Certified Advocate", "Makers", "93.3 %", held.release_sha256[:12], "valid"):
        assert fact in answer.text
    assert '<meta name="robots" content="noindex' in answer.text
    assert "noindex" in answer.headers["X-Robots-Tag"]
    with transaction(read_only=True):
        assert get_person(held.person_id).email not in answer.text


def test_page_says_when_it_has_ended_or_was_revoked(cast: Cast, client: FlaskClient, held: Award) -> None:
    with at(held.valid_until + timedelta(seconds=1)):
        assert "has ended" in client.get(f"/verify/{held.verify_id}").text
    render_certificates()
    with transaction():
        revoke(held, "misconduct", by=acting(cast.hub_admin), note="told us so on the phone")
    page = client.get(f"/verify/{held.verify_id}").text
    assert "was revoked" in page
    assert "The rules of the programme were broken" in page
    assert "phone" not in page
    assert client.get(f"/verify/{held.verify_id}/certificate.pdf").status_code == 404


def test_unknown_address_is_not_found(client: FlaskClient, held: Award) -> None:
    for wrong in ("x", held.verify_id[:-1], "é" * 40, "x" * 5_000):
        assert client.get(f"/verify/{wrong}").status_code == 404


def test_certificate_is_rendered_once_as_a_tagged_pdf_with_what_is_printed(
    client: FlaskClient, held: Award
) -> None:
    address = f"/verify/{held.verify_id}/certificate.pdf"
    assert client.get(address).status_code == 404
    assert render_certificates() == 1
    assert render_certificates() == 0
    answer = client.get(address)
    assert answer.mimetype == "application/pdf"
    pdf = PdfReader(BytesIO(answer.data))
    assert len(pdf.pages) == 1
    text = " ".join(pdf.pages[0].extract_text().split())
    for fact in ("Otto Öztürk", "Certified Advocate", "Makers", "93.3 %"):
        assert fact in text
    assert held.verify_id in text.replace(" ", "")
    assert pdf.metadata is not None
    assert pdf.metadata.title == "Certified Advocate: Otto Öztürk"
    assert str(pdf.root_object["/Lang"]) == "en"
    assert "/StructTreeRoot" in pdf.root_object


def test_two_clocks_render_a_certificate_once(held: Award) -> None:
    found = at_once(render_certificates, render_certificates)
    assert sorted(str(each) for each in found) == ["0", "1"]
    with transaction(read_only=True):
        certificate = session().get_one(Certificate, held.id)
        assert certificate.file_id is not None
