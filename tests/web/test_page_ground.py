"""The ground of the pages: nothing inline, nothing from elsewhere, every asset there, packages pinned exactly."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for page in (ROOT / "templates").rglob("*.html")
    if not {"emails", "pdf"} & set(page.relative_to(ROOT).parts)
)
INLINE = re.compile(
    r"""<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=["']|javascript:|\shx-on""", re.IGNORECASE
)
ELSEWHERE = re.compile(r"""(?:src|href|action)=["'](?:https?:)?//""")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_page_has_nothing_that_the_content_security_policy_refuses(page: Path) -> None:
    text = re.sub(r"\{#.*?#\}", "", page.read_text(), flags=re.DOTALL)
    assert not INLINE.findall(text)
    assert not ELSEWHERE.findall(text)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_asset_a_page_names_is_ours_or_installed_by_bin_assets(page: Path) -> None:
    installer = (ROOT / "bin/assets").read_text()
    for asset in re.findall(r"asset\('([^']+)'", page.read_text()):
        vendored = asset.startswith("vendor/") and asset.removeprefix("vendor/") in installer
        assert vendored or (ROOT / "static" / asset).is_file(), asset


def test_front_end_packages_are_pinned_exactly_and_the_lock_names_no_address() -> None:
    package = json.loads((ROOT / "package.json").read_text())
    wanted = package["dependencies"] | package["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert all(locked[f"node_modules/{package}"]["version"] == version for package, version in wanted.items())
    assert all("integrity" in entry for path, entry in locked.items() if path)
    assert "://" not in re.sub(r'"funding": \{[^}]*\}', "", json.dumps(locked, indent=1))


def test_theme_uses_only_tokens_that_it_or_tabler_defines() -> None:
    theme = (ROOT / "static/theme.css").read_text()
    assert set(re.findall(r"var\((--spk-[a-z0-9-]+)", theme)) <= set(
        re.findall(r"(--spk-[a-z0-9-]+):", theme)
    )
