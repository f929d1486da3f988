"""Static files: kept for ever under an address of their own, compressed where the browser takes it."""

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Response

from web import assets


@pytest.fixture
def browser() -> Client:
    return Client(assets.with_assets(Response("a page")))


def test_static_file_is_kept_for_ever_and_offered_to_our_own_pages_only(browser: Client) -> None:
    answer = browser.get(assets.asset("theme.css"), buffered=True)
    assert answer.status_code == 200
    assert "immutable" in answer.headers["Cache-Control"]
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("coding", ["br", "gzip"])
def test_installed_files_are_served_compressed(browser: Client, coding: str) -> None:
    if not (assets.FOLDER / "vendor/tabler.min.css.br").exists():
        pytest.skip("bin/assets has not run here")
    answer = browser.get(
        assets.asset("vendor/tabler.min.css"), headers={"Accept-Encoding": coding}, buffered=True
    )
    assert answer.headers["Content-Encoding"] == coding
    assert len(answer.get_data()) < 100_000


def test_what_is_no_static_file_goes_to_the_application(browser: Client) -> None:
    assert browser.get("/static/another-release/theme.css").text == "a page"
    assert browser.get(assets.prefix() + "../app.py").text == "a page"
