"""Whatever is put on the list of what waits has words in the console, and a page where it is done."""

import ast
from importlib import import_module
from pathlib import Path

from hub.console import ACTION_ADDRESSES

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("hub", "advocates", "curriculum", "referrals", "rewards")


def asked_kinds() -> set[str]:
    """The kinds in every `actions.ask(…)`, as written or by the constant that holds them."""
    found: set[str] = set()
    for path in (each for name in PACKAGES for each in (ROOT / name).rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "actions.ask":
                found |= _kind(call.args[0], module)
    return found


def _kind(given: ast.expr, module: str) -> set[str]:
    """A constant's value; a parameter, as of rewards/approvals/asking.py, says nothing here."""
    if isinstance(given, ast.Constant):
        return {str(given.value)}
    value = getattr(import_module(module), ast.unparse(given), None)
    return {str(value)} if value else set()


def test_every_kind_that_is_asked_has_a_page_and_words() -> None:
    kinds, words = asked_kinds(), (ROOT / "templates/macros/hub.html").read_text(encoding="utf-8")
    assert {"reward.approve", "write_off.confirm", "perk.send", "tax_form.decide"} <= kinds | set(
        ACTION_ADDRESSES
    )
    assert len(kinds) >= 8
    missing = {each for each in kinds if each not in ACTION_ADDRESSES or words.count(f"'{each}'") != 2}
    assert missing == set()
