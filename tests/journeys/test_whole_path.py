"""The whole programme once, through HTTP, against the running service: Granian, clock, local Stripe, SMTP, as bin/serve starts them."""

import csv
import io
import json
import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import openpyxl
import pypdf
import pytest

from checks import problems
from tests.journeys.right_answers import answers
from tests.journeys.running import Browser, Service, eventually

pytestmark = [pytest.mark.service, pytest.mark.timeout(420)]

APPLICANT = "anna.walker@people.example"
PASSWORD = "a long walk on the beach"
PROGRAMME = "makers-circle"
FACEBOOK = "facebookexternalhit/1.1"


def test_the_whole_path(service: Service) -> None:
    manager = service.browser().sign_in("manager@demo.example")
    advocate = apply_and_be_accepted(service, manager)
    learn(service, advocate)
    prove_certificate(service, advocate)
    code = acknowledge(advocate)
    token = click(service, code)
    key = service.spokes(
        "create-api-key",
        "journey shop",
        "--scope",
        "conversions:write",
        "--scope",
        "clicks:read",
        "--scope",
        "links:read",
        "--scope",
        "rewards:read",
        "--scope",
        "payouts:read",
        "--scope",
        "leaderboard:read",
        "--scope",
        "advocates:read",
        "--scope",
        "conversions:read",
    ).splitlines()[-1]
    api = service.api(key)
    the_click_is_counted_once(api, code, token)
    sale = sell(service, api, code, token)
    set_up_payouts(service, advocate)
    reward_id = sale["reward"]["id"]
    the_hold_passes(service, manager, reward_id)
    approve(service, manager, reward_id)
    the_clock_pays(service, api, advocate, reward_id)
    refund_and_clawback(service, api, advocate)
    leaderboard(service, api)
    proof = service.spokes("check")
    assert proof.count(": ok") == len(problems()), proof


def apply_and_be_accepted(service: Service, manager: Browser) -> Browser:
    """Apply in public, be read and accepted, open the account by the mailed link."""
    visitor = service.browser()
    particulars = {
        "name": "Anna Walker",
        "email": APPLICANT,
        "why": "I repair what I own.",
        "age": "yes",
        "consent": "yes",
    }
    visitor.submit(f"/apply/{PROGRAMME}", particulars)
    read_back = service.postbox.link(APPLICANT, "/apply/")
    assert "I repair what I own." in visitor.get(read_back).text
    waiting = manager.get("/console/applications?q=anna.walker").text
    page = re.search(r"/console/applications/[0-9a-z]{26}", waiting)
    assert page, "the application is not on the list"
    manager.submit(page.group(), {"decision": "accept", "reason": "Welcome!"})
    welcome = service.postbox.link(APPLICANT, "/welcome/")
    advocate = service.browser()
    advocate.submit(welcome, {"password": PASSWORD})
    advocate.get(welcome, status=404)  # once only
    assert "Anna" in advocate.get("/portal").text
    return advocate


def learn(service: Service, advocate: Browser) -> None:
    """Read every lesson, pass every quiz; the answers are taken from the database, as somebody who knows would give them."""
    outline = advocate.get("/portal/learn").text
    lessons = dict.fromkeys(re.findall(r"/portal/learn/[a-z-]+/[a-z0-9-]+", outline))
    quizzes = [each for each in lessons if each.endswith("/quiz")]
    for lesson in (each for each in lessons if not each.endswith("/quiz")):
        advocate.submit(lesson, {})
    assert len(quizzes) >= 2
    for quiz in quizzes:
        started = advocate.submit(quiz, {})
        attempt_page = started.url.path
        assert not re.search(
            r"weight\W?\s*[:=]", started.text
        )  # how much an answer is worth; questions may use the word
        first = advocate.submit(
            attempt_page, answers(service, attempt_page.rsplit("/", 1)[1]) | {"anyway": "yes"}
        )
        again = advocate.get(attempt_page)
        assert "100" in first.text
        assert "100" in again.text


def prove_certificate(service: Service, advocate: Browser) -> None:
    """The certificate is a PDF with the name and the address of the public page that proves it."""
    pattern = r"/verify/[\w-]+/certificate\.pdf"
    page = eventually(lambda: re.findall(pattern, advocate.get("/portal/certificate").text))[0]
    answer = advocate.get(page)
    assert answer.headers["Content-Type"] == "application/pdf"
    text = "".join(each.extract_text() for each in pypdf.PdfReader(io.BytesIO(answer.content)).pages)
    verify = page.removesuffix("/certificate.pdf")
    assert "Anna Walker" in text
    assert verify.rsplit("/", 1)[1] in text.replace("\n", "")
    public = service.browser().get(verify)
    assert "Anna Walker" in public.text
    assert APPLICANT not in public.text
    assert "noindex" in public.text + public.headers.get("X-Robots-Tag", "")


def acknowledge(advocate: Browser) -> str:
    """Without the policies there is no link; with them there is one. The answer is its code."""
    assert not re.search(r"/r/[a-z0-9-]+", advocate.get("/portal/links").text)
    for _ in range(5):
        policy = re.search(r"/portal/policies/[0-9a-z]{26}", advocate.get("/portal").text)
        if policy is None:
            break
        advocate.submit(policy.group(), {"accepted": "yes"})
    found = re.search(r"/r/([a-z0-9-]+)", advocate.get("/portal/links").text)
    assert found, "there is no share link"
    return found.group(1)


def click(service: Service, code: str) -> str:
    """A visitor follows the link, a crawler too; the answer is the visitor's token."""
    httpx.get(f"{service.url}/r/{code}", headers={"User-Agent": FACEBOOK})
    httpx.head(f"{service.url}/r/{code}")
    answer = httpx.get(
        f"{service.url}/r/{code}", headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}
    )
    assert answer.status_code == 302
    assert answer.headers["Cache-Control"] == "no-store"
    target = urlsplit(answer.headers["Location"])
    token = parse_qs(target.query)["spk"][0]
    assert answer.cookies["spk"] == token
    assert "utm_source" in target.query
    return token


def the_click_is_counted_once(api: httpx.Client, code: str, token: str) -> None:
    """Within two seconds all three are on record and one counts."""

    def recorded() -> list[dict[str, Any]]:
        return [
            each for each in api.get("/clicks", params={"limit": 50}).json()["items"] if each["code"] == code
        ]

    found = eventually(lambda: recorded() if len(recorded()) == 3 else [])
    assert [each["id"] for each in found if each["counted"]] == [token.partition(".")[0]]


def sell(service: Service, api: httpx.Client, code: str, token: str) -> dict[str, Any]:
    """The shop reports the order; twice changes nothing, other content is a conflict."""
    order = {
        "external_id": "journey-1042",
        "kind": "sale",
        "occurred_at": service.now.isoformat(),
        "click": token,
        "amount_minor": 30_000,
        "currency": "EUR",
        "customer": {"external_id": "c-77"},
    }
    first = api.post("/conversions", json=order)
    assert first.status_code == 201, first.text
    again = api.post("/conversions", json=order)
    assert (again.status_code, again.json()) == (200, first.json())
    assert api.post("/conversions", json=order | {"amount_minor": 1}).status_code == 409
    sale: dict[str, Any] = first.json()
    assert sale["reward"]["amount_minor"] == 3_000
    assert sale["attribution"]["reason"]
    assert api.get(f"/links/{code}").json()["sales"] == 1
    return sale


def set_up_payouts(service: Service, advocate: Browser) -> None:
    """Through the local Stripe's hosted page and back."""
    onboarding = advocate.submit("/portal/rewards/account", {"country": "NL"})
    assert str(onboarding.url).startswith(service.stripe_url)
    form = re.search(r'<form[^>]*action="([^"]*)"', onboarding.text)
    target = onboarding.url.join(form.group(1)) if form else onboarding.url
    done = advocate.http.post(str(target), data={"holder": "Anna Walker", "last4": "4242", "then": "finish"})
    assert done.status_code == 200
    assert done.url.path == "/portal/rewards/account"


def the_hold_passes(service: Service, manager: Browser, reward_id: str) -> None:
    """Before the hold has passed nobody can approve; a fortnight later it is on the list."""
    page = f"/console/rewards/{reward_id}"
    assert f"{reward_id}:" not in manager.get("/console/rewards").text
    assert "days ahead" in service.spokes("travel", "15")
    manager.sign_in("manager@demo.example")  # sessions end after a fortnight
    eventually(
        lambda: f"{reward_id}:" in manager.get("/console/rewards?q=journey-1042").text,
        every_s=0.5,
    )
    assert "10 %" in manager.get(page).text


def approve(service: Service, manager: Browser, reward_id: str) -> None:
    """The manager approves exactly what was shown."""
    page = manager.get("/console/rewards?q=journey-1042").text
    pick = re.search(rf"{reward_id}:[0-9a-f]{{64}}", page)
    assert pick
    forged = pick.group()[:-1] + ("0" if pick.group()[-1] != "0" else "1")
    manager.submit("/console/rewards", {"act": "approve", "picked": forged}, status=409)
    manager.submit("/console/rewards", {"act": "approve", "picked": pick.group()})


def the_clock_pays(service: Service, api: httpx.Client, advocate: Browser, reward_id: str) -> None:
    """The period closes, the run is made and sent: one transfer, and the advocate sees it."""
    service.travel(32)

    def paid() -> bool:
        rewards = api.get("/rewards", params={"limit": 50}).json()["items"]
        return any(each["id"] == reward_id and each["state"] == "paid" for each in rewards)

    eventually(paid, timeout_s=60, every_s=0.5)
    transfers = httpx.get(
        f"{service.stripe_url}/v1/transfers", params={"limit": 100}, auth=("sk_test_local", "")
    ).json()["data"]
    mine = [each for each in transfers if each["amount"] == 3_000 and each["currency"] == "eur"]
    assert len(mine) == 1
    assert any(each["state"] == "sent" for each in api.get("/payouts").json()["items"])
    advocate.sign_in(APPLICANT, PASSWORD)
    rewards_page = advocate.get("/portal/rewards").text
    statement = re.findall(r"/portal/rewards/statements/\d{4}-\d{2}", rewards_page)
    assert statement, "there is no statement"
    assert "30.00" in advocate.get(statement[0]).text
    assert "30.00" in service.postbox.newest(APPLICANT, "on its way").text


def refund_and_clawback(service: Service, api: httpx.Client, advocate: Browser) -> None:
    """Half the sale comes back: half the reward becomes a line of its own, taken off what comes next."""
    refund = {
        "external_id": "journey-r1",
        "conversion_external_id": "journey-1042",
        "amount_minor": 15_000,
        "reason": "returned",
        "occurred_at": service.now.isoformat(),
    }
    assert api.post("/refunds", json=refund).status_code == 201
    assert api.post("/refunds", json=refund).status_code == 200
    lines = [
        each
        for each in api.get("/rewards", params={"limit": 50}).json()["items"]
        if each["kind"] == "clawback"
    ]
    assert -1_500 in [each["amount_minor"] for each in lines]
    assert "15.00" in advocate.get("/portal/rewards").text


def leaderboard(service: Service, api: httpx.Client) -> None:
    """Marketing sees the board and takes it away in every format."""
    marketing = service.browser().sign_in("marketing@demo.example")
    query = "metric=sales&period=all"
    assert "leaderboard" in marketing.get(f"/console/leaderboard?{query}").text.lower()
    rows = list(
        csv.reader(
            io.StringIO(marketing.get(f"/console/leaderboard.csv?{query}").content.decode("utf-8-sig"))
        )
    )
    book = openpyxl.load_workbook(io.BytesIO(marketing.get(f"/console/leaderboard.xlsx?{query}").content))
    as_json = marketing.get(f"/console/leaderboard.json?{query}").json()
    pdf = pypdf.PdfReader(io.BytesIO(marketing.get(f"/console/leaderboard.pdf?{query}").content))
    sheet = book.active
    assert sheet is not None
    assert len(rows) - 1 == sheet.max_row - 1 == len(as_json["items"]) > 10
    assert rows[1][1] in "".join(each.extract_text() for each in pdf.pages)
    assert "@" not in "".join(cell for row in rows for cell in row)
    today = service.now.date()
    span = {"metric": "sales", "from": str(today - timedelta(days=200)), "to": str(today)}
    by_key = api.get("/leaderboard", params=span).json()
    assert by_key["items"][0]["value"] >= 1
    by_command = json.loads(
        service.spokes(
            "export-leaderboard",
            "--metric",
            "sales",
            "--from",
            span["from"],
            "--to",
            span["to"],
            "--format",
            "json",
        )
    )
    assert by_command["items"] == by_key["items"][: len(by_command["items"])]
