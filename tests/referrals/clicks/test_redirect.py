import base64
import hashlib
import hmac
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from core import db
from core.access import COMMAND
from core.clock import at, day_number, now
from core.ids import ID_PATTERN
from core.settings import Settings
from referrals.clicks import clicks, journal, link_table, tokens
from referrals.clicks.click_ids import new_click_id
from referrals.clicks.clicks import Click
from referrals.clicks.journal_lines import id_of
from referrals.clicks.link_table import LOOK_UPS_PER_S, LinkTable
from referrals.clicks.lost_clicks import losses
from referrals.clicks.packed_links import KnownLink
from referrals.clicks.visitor import (
    DailySalt,
    forget_salts,
)
from referrals.links.links import Link, end_link, get_link, programme_changed
from tests.factories import Cast
from tests.referrals.stories import Visitors, make_earner, make_link

# What an iPhone says that shows a preview of a link: a browser that names two unfurlers as well.
IMESSAGE = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 "
    "Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0"
)


@pytest.fixture
def link(cast: Cast) -> str:
    with db.transaction():
        return make_link(
            make_earner(cast.programme), "ana", destination="https://shop.example/tea?size=2"
        ).code


def stored(click_id: str) -> Click:
    clicks.ingest()
    with db.transaction(read_only=True):
        return db.session().get_one(Click, click_id)


def link_of(click: Click) -> str:
    with db.transaction(read_only=True):
        return db.session().get_one(Link, click.link_id).code


def test_a_click_is_forwarded_with_its_token_in_address_and_cookie(visitors: Visitors, link: str) -> None:
    answer = visitors.click("ANA")
    assert answer.status == 302
    address = answer.header("Location")
    assert address.startswith("https://shop.example/tea?size=2&utm_source=advocate&utm_medium=referral")
    assert "&utm_campaign=makers&spk=" in address
    assert answer.header("Cache-Control") == "no-store"
    cookie = answer.header("Set-Cookie")
    assert cookie.startswith(f"spk={answer.token}; Max-Age={30 * 86_400}; Path=/; HttpOnly; SameSite=Lax")
    facts = tokens.verify(answer.token)
    assert facts is not None
    assert (facts.click_id, facts.code) == (answer.click_id, "ana")


def test_the_click_is_on_file_before_the_answer_and_in_the_database_after_ingest(
    visitors: Visitors, link: str, settings: Settings
) -> None:
    answer = visitors.click("ana", HTTP_REFERER="https://Blog.example/post?q=secret")
    (segment,) = journal.segments(settings.data_dir / "journal")
    (written,) = journal.read(segment, 0, finished=False, most=9).records
    assert id_of(written) == answer.click_id
    click = stored(answer.click_id)
    assert (click.counted, click.flags, click.device) == (True, "", "desktop")
    assert link_of(click) == "ana"
    assert click.referrer_host == "blog.example"
    assert len(click.visitor_hash) == 24
    assert abs(now() - click.occurred_at) < timedelta(seconds=10)


@pytest.mark.parametrize(
    ("request_", "flags"),
    [
        ({"method": "HEAD"}, "head"),
        ({"HTTP_SEC_PURPOSE": "prefetch;prerender"}, "prefetch"),
        ({"HTTP_PURPOSE": "prefetch"}, "prefetch"),
        ({"HTTP_X_MOZ": "prefetch"}, "prefetch"),
        ({"agent": "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"}, "bot"),
        ({"agent": "facebookexternalhit/1.1"}, "bot"),
        ({"agent": "WhatsApp/2.23.20.0 A"}, "bot"),
        ({"agent": "Twitterbot/1.0"}, "bot"),
        ({"agent": "LinkedInBot/1.0 (compatible; Mozilla/5.0; +http://www.linkedin.com)"}, "bot"),
        ({"agent": "TelegramBot (like TwitterBot)"}, "bot"),
        ({"agent": "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)"}, "bot"),
        ({"agent": IMESSAGE}, "bot"),
        ({"agent": "-"}, "bot"),
        ({"agent": "Java/17.0.2"}, "bot"),
        ({"agent": "MyApp/3 CFNetwork/1 Darwin/22"}, "bot"),
        ({"HTTP_SEC_FETCH_DEST": "image", "HTTP_SEC_FETCH_MODE": "no-cors"}, "embedded"),
        ({"HTTP_SEC_FETCH_DEST": "iframe"}, "embedded"),
        ({"HTTP_SEC_PURPOSE": "prefetch", "HTTP_SEC_GPC": "1"}, "prefetch,private"),
        ({"agent": "curl/8.5.0", "method": "HEAD"}, "head,bot"),
    ],
)
def test_what_is_no_visitor_is_forwarded_and_not_counted(
    visitors: Visitors, link: str, request_: dict[str, str], flags: str
) -> None:
    answer = visitors.click("ana", **request_)
    assert answer.status == 302
    click = stored(answer.click_id)
    assert (click.counted, click.flags) == (False, flags)


@pytest.mark.parametrize("wish", ["HTTP_SEC_GPC", "HTTP_DNT"])
def test_who_asks_not_to_be_tracked_is_only_a_number(visitors: Visitors, link: str, wish: str) -> None:
    answer = visitors.click("ana", HTTP_REFERER="https://blog.example/", **{wish: "1"})
    assert not answer.header("Set-Cookie")
    click = stored(answer.click_id)
    assert (click.counted, click.flags) == (True, "private")
    assert (click.visitor_hash, click.device, click.referrer_host) == ("", "", "")


def test_unknown_codes_go_to_the_pages_and_other_methods_are_refused(visitors: Visitors, link: str) -> None:
    assert visitors.click("nobody").status == 404
    assert visitors.click("a" * 5_000).status == 404
    assert visitors.click("ana/x").status == 404
    assert visitors.click("").status == 404
    assert visitors.click("ana", "POST").status == 405
    assert visitors.click("ana", "DELETE").status == 405


def test_a_new_link_works_at_once_and_an_ended_one_soon_no_more(
    cast: Cast, visitors: Visitors, link: str
) -> None:
    assert visitors.click("ana").status == 302
    with db.transaction():
        make_link(make_earner(cast.programme, "Bob"), "bob")
    assert visitors.click("bob").status == 302
    with db.transaction():
        end_link(get_link("ana"), by=COMMAND)
    visitors.path.links.refresh()
    assert visitors.click("ana").status == 404
    assert visitors.click("bob").status == 302


def test_many_changed_links_are_packed_again_with_those_that_stayed(
    cast: Cast, visitors: Visitors, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_table, "PACK_AFTER", 0)
    links = visitors.path.links
    links.refresh()
    with db.transaction():
        bob = make_earner(cast.programme, "Bob")
        codes = [make_link(bob, f"bob-{number}").code for number in range(3)]
    links.refresh()
    for ending, statuses in (("bob-1", [302, 404, 302]), ("bob-2", [302, 404, 404])):
        with db.transaction():
            end_link(get_link(ending), by=COMMAND)
        links.refresh()
        assert not links._changed  # noqa: SLF001 - packed, all of them
        assert [visitors.click(code).status for code in codes] == statuses
    assert visitors.click("ana").status == 302


def test_a_link_that_was_looked_up_follows_what_is_read_later(
    cast: Cast, visitors: Visitors, link: str
) -> None:
    links = visitors.path.links
    with db.transaction():
        bob = make_earner(cast.programme, "Bob")
    for refreshed_before in (False, True):
        if refreshed_before:
            links.refresh()
        with db.transaction():
            code = make_link(bob, f"bob-{refreshed_before}".lower()).code
        looked_up = links.look_up(code)
        assert looked_up
        assert links.find(code) == looked_up
        with db.transaction():
            end_link(get_link(code), by=COMMAND)
        links.refresh()
        assert links.find(code) not in {looked_up, None}


def test_links_are_known_on_while_the_database_is_away(
    visitors: Visitors, link: str, settings: Settings
) -> None:
    assert visitors.click("ana").status == 302
    visitors.path.links.stop()  # nobody else is reading when the connections are closed
    db.connect("sqlite:////nowhere/at/all.sqlite")
    visitors.path.links.refresh()
    answer = visitors.click("ana")
    assert answer.status == 302
    db.connect(settings.database)
    assert stored(answer.click_id).counted


def test_unknown_codes_are_looked_up_within_a_budget(visitors: Visitors, link: str) -> None:
    visitors.click("ana")
    visitors.path.links.refresh()
    asked = 0
    look_up = visitors.path.links.look_up

    def counted(code: str) -> KnownLink | None:
        nonlocal asked
        asked += 1
        return look_up(code)

    visitors.path.links.look_up = counted  # type: ignore[method-assign]  # counting what goes through
    for number in range(200):
        visitors.click(f"none-{number}")
    assert 0 < asked < 60


def test_a_link_works_while_the_links_are_still_being_read(
    visitors: Visitors, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, read = threading.Event(), LinkTable.refresh

    def slowly(table: LinkTable) -> None:
        reading.wait(20)
        read(table)

    monkeypatch.setattr(LinkTable, "refresh", slowly)
    assert visitors.click("ana").status == 302
    assert [visitors.click(f"none-{number}").status for number in range(30)] == [404] * 30
    assert visitors.click("ana").status == 302
    reading.set()


def test_every_link_works_as_soon_as_the_database_is_back_that_was_away_at_the_start(
    cast: Cast, visitors: Visitors, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with db.transaction():
        member = make_earner(cast.programme)
        codes = [make_link(member, f"live-{number}").code for number in range(2 * LOOK_UPS_PER_S)]
    db.connect("sqlite:////nowhere/at/all.sqlite")
    visitors.path.links.refresh()
    db.connect(settings.database)
    reading, read = threading.Event(), LinkTable.refresh

    def slowly(table: LinkTable) -> None:
        reading.wait(20)
        read(table)

    monkeypatch.setattr(LinkTable, "refresh", slowly)
    assert {visitors.click(code).status for code in codes} == {302}
    reading.set()


def fails_once(name: str, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Have a function of the table raise what nobody thought of, the first time; the event says that it did."""
    real, failed = getattr(link_table, name), threading.Event()

    def fails(*given: Any) -> Any:  # noqa: ANN401 - as the function it stands for
        if failed.is_set():
            return real(*given)
        failed.set()
        raise ValueError("a row that nobody can read")

    monkeypatch.setattr(link_table, name, fails)
    return failed


def wait_until(so: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not so():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_an_ended_link_forwards_no_more_although_a_reading_went_wrong(
    visitors: Visitors, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitors.click("ana")
    visitors.path.links.refresh()
    failed = fails_once("_known", monkeypatch)
    with db.transaction():
        end_link(get_link("ana"), by=COMMAND)
    assert failed.wait(10)
    wait_until(lambda: visitors.click("ana").status == 404)


def test_salts_that_could_not_be_made_at_first_are_made_later(
    visitors: Visitors, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = fails_once("salts", monkeypatch)
    assert visitors.click("ana").status == 302
    assert failed.is_set()
    wait_until(lambda: bool(visitors.path.links.salted(day_number(now()))))


def test_a_full_disk_forwards_and_counts_what_it_lost(
    visitors: Visitors, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitors.click("ana")

    def full(_file: int, _line: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal, "write", full)
    assert visitors.click("ana").status == 302
    monkeypatch.undo()
    assert stored(visitors.click("ana").click_id).counted
    with db.transaction(read_only=True):
        assert [each.clicks for each in losses(clicks.folder())] == [1]


def test_many_threads_write_whole_lines(visitors: Visitors, link: str) -> None:
    answered: list[str] = []

    def come() -> None:
        answered.extend(visitors.click("ana").click_id for _ in range(100))

    threads = [threading.Thread(target=come) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(set(answered)) == 800
    assert clicks.ingest() == 800


def test_in_production_the_cookie_is_secure(settings: Settings, cast: Cast, link: str) -> None:
    production = settings.model_copy(update={"spokes_env": "production"})
    visitors = Visitors(production)
    answer = visitors.click("ana")
    visitors.leave()
    assert answer.header("Set-Cookie").endswith("; Secure")
    assert answer.header("Strict-Transport-Security")


def test_click_ids_are_ids_in_the_order_of_time() -> None:
    ids = [new_click_id(1_700_000_000_000 + number) for number in range(1_000)]
    assert all(re.fullmatch(ID_PATTERN, each) for each in ids)
    assert ids == sorted(ids)
    assert len({new_click_id(1) for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize("position", [0, 30, 35, -1])
def test_a_token_with_one_changed_letter_is_not_ours(visitors: Visitors, link: str, position: int) -> None:
    token = list(visitors.click("ana").token)
    token[position] = "2" if token[position] != "2" else "3"
    changed = "".join(token)
    assert tokens.verify(changed) is None


def test_a_token_of_another_secret_is_not_ours(settings: Settings) -> None:
    key = tokens.signing_key("another secret of more than 32 letters")
    assert tokens.verify(tokens.sign("0" * 26, "ana", 1, key)) is None
    assert tokens.verify("") is None
    assert tokens.verify("a.b.c.d") is None


def test_salts_are_destroyed_after_two_days(settings: Settings, visitors: Visitors, link: str) -> None:
    visitors.click("ana")
    with db.transaction():
        before = len(db.session().exec(select(DailySalt)).all())
    assert before == 2
    with at(now() + timedelta(days=3)), db.transaction():
        assert forget_salts() == 2


def test_salts_are_destroyed_while_the_clock_is_stopped_and_visitors_come(
    settings: Settings, visitors: Visitors, link: str
) -> None:
    visitors.click("ana")
    with at(now() + timedelta(days=3)):
        later = Visitors(settings)
        later.click("ana")
        later.leave()
        with db.transaction(read_only=True):
            left = db.session().exec(select(DailySalt.day)).all()
        assert sorted(left) == [day_number(now()), day_number(now() + timedelta(days=1))]


@pytest.mark.parametrize(
    "fetcher",
    ["Bluesky Cardyb/1.1; +mailto:support@bsky.app", "Trello; +https://trello.com", "X; +http://x.example"],
)
def test_who_names_a_contact_as_machines_do_is_no_visitor(
    visitors: Visitors, link: str, fetcher: str
) -> None:
    answer = visitors.click(link, HTTP_USER_AGENT=f"Mozilla/5.0 (compatible; {fetcher})")
    assert (answer.status, stored(answer.click_id).flags) == (302, "bot")


def test_the_journal_folder_is_under_the_data_folder(settings: Settings) -> None:
    assert clicks.folder() == Path(settings.data_dir) / "journal"


def test_a_programme_that_changed_is_known_to_the_click_path(
    cast: Cast, visitors: Visitors, link: str
) -> None:
    with db.transaction():
        make_link(make_earner(cast.programme, "Ben Other"), "ben")
    assert f"Max-Age={30 * 86_400};" in visitors.click("ben").header("Set-Cookie")
    with db.transaction():
        db.session().merge(cast.programme).attribution_days = 7
        programme_changed(cast.programme.id)
    visitors.path.links.refresh()
    for code in (link, "ben"):
        assert f"Max-Age={7 * 86_400};" in visitors.click(code).header("Set-Cookie")


@pytest.mark.parametrize("behind", ["/", ".", ")", "/).", ",!", "'>"])
def test_what_a_sentence_leaves_behind_an_address_loses_no_visitor(
    visitors: Visitors, link: str, behind: str
) -> None:
    answer = visitors.click(f"{link}{behind}")
    assert (answer.status, link_of(stored(answer.click_id))) == (302, link)


def test_a_page_that_was_followed_counts(visitors: Visitors, link: str) -> None:
    click = stored(visitors.click(link, HTTP_SEC_FETCH_DEST="document").click_id)
    assert (click.counted, click.flags) == (True, "")


def test_the_signature_of_a_token_is_keyed_blake2b(settings: Settings) -> None:
    key = tokens.signing_key(settings.secret)
    said, _, signature = tokens.sign("0" * 26, "ana", 1, key).rpartition(".")
    digest = hashlib.blake2b(said.encode(), digest_size=16, key=key).digest()
    assert signature == base64.urlsafe_b64encode(digest).decode().rstrip("=")


def test_a_token_that_was_signed_as_before_is_known(settings: Settings) -> None:
    said = f"{'0' * 26}.ana.1"
    digest = hmac.digest(tokens.signing_key(settings.secret), said.encode(), "sha256")[:16]
    token = f"{said}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"
    assert tokens.verify(token) is not None
    assert tokens.verify(f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}") is None


@pytest.mark.parametrize(
    ("told", "kept"), [("DE", "DE"), ("de", ""), ("DEU", ""), ("T1", ""), ("D\t", ""), ("", "")]
)
def test_a_country_is_believed_from_the_header_that_is_trusted_to_tell_it(
    settings: Settings, link: str, told: str, kept: str
) -> None:
    visitors = Visitors(settings.model_copy(update={"country_header": "CF-IPCountry"}))
    answer = visitors.click("ana", HTTP_CF_IPCOUNTRY=told)
    visitors.leave()
    assert stored(answer.click_id).country == kept


def test_no_header_is_trusted_unless_a_setting_names_it(visitors: Visitors, link: str) -> None:
    assert stored(visitors.click("ana", HTTP_CF_IPCOUNTRY="DE").click_id).country == ""


def test_a_frozen_clock_is_the_click_paths_clock_too(visitors: Visitors, link: str) -> None:
    midnight = datetime(2030, 1, 1, tzinfo=UTC)
    with at(midnight):
        click = stored(visitors.click("ana").click_id)
    assert (click.occurred_at, click.day) == (midnight, 20_300_101)
