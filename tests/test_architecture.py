"""The architecture as a test: packages stand in one line, doors outside it, and single importers stay single."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINE = ["rewards", "referrals", "curriculum", "advocates", "hub", "core"]
RIGHT_OF = {package: set(LINE[place + 1 :]) for place, package in enumerate(LINE)}
RIGHT_OF |= {"community": {"advocates", "hub", "core"}, "presence": {"hub", "core"}}
RIGHT_OF |= {"web": {"core", "hub", "advocates"}, "sandbox": set()}
ROOT_MODULES = {path.stem for path in ROOT.glob("*.py")}
DOORS = {"public", "portal", "console", "api", "webhooks", "operators"}
ONE_IMPORTER = {
    "stripe": "rewards.stripe.stripe_gateway",
    "weasyprint": "core.pdf",
    "apscheduler": "scheduler",
}

PATHS = [*ROOT.glob("*.py"), *(path for package in RIGHT_OF for path in (ROOT / package).rglob("*.py"))]
TREES = {
    ".".join(each.relative_to(ROOT).with_suffix("").parts): ast.parse(each.read_text()) for each in PATHS
}


def package(name: str) -> str:
    return name.partition(".")[0]


def is_door(name: str) -> bool:
    inside = name.split(".")[1:]
    return (
        package(name) not in {"web", "sandbox"}
        and bool(inside)
        and (inside[0] in DOORS or name.endswith(("_page", "_api")))
    )


def _imports(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):  # `from a import b`: a, and a.b, which may be a module too
            found |= {f"{node.module}", *(f"{node.module}.{each.name}" for each in node.names)}
    return found


IMPORTS = {name: _imports(tree) for name, tree in TREES.items()}


def others(name: str) -> set[str]:
    """The packages and root modules of ours that a module imports, besides its own."""
    return {package(each) for each in IMPORTS[name]} & (RIGHT_OF.keys() | ROOT_MODULES) - {package(name)}


def test_each_module_imports_only_what_stands_to_the_right_of_its_package() -> None:
    inside = [name for name in TREES if package(name) in RIGHT_OF and not is_door(name)]
    assert {name: wrong for name in inside if (wrong := others(name) - RIGHT_OF[package(name)])} == {}


def test_only_the_app_imports_doors_and_pages_of_a_door_only_each_other() -> None:
    doors = {
        name: {each for each in IMPORTS[name] if each in TREES and is_door(each)}
        for name in TREES
        if name != "app"
    }
    strange = {
        name: {each for each in found if not (is_door(name) and package(each) == package(name))}
        for name, found in doors.items()
    }
    assert {name: found for name, found in strange.items() if found} == {}


def test_only_doors_web_and_the_app_know_flask() -> None:
    know = {
        name for name, found in IMPORTS.items() if any(package(each).startswith("flask") for each in found)
    }
    assert {
        name for name in know if not is_door(name) and package(name) not in {"web", "app", "wsgi", "sandbox"}
    } == set()


def test_web_knows_advocates_by_their_membership_only() -> None:
    known = {
        each
        for name in TREES
        if package(name) == "web"
        for each in IMPORTS[name]
        if package(each) == "advocates"
    }
    assert {each for each in known if not f"{each}.".startswith("advocates.membership.")} <= {"advocates"}


def test_stripe_weasyprint_and_apscheduler_have_one_importer_each() -> None:
    importers = {
        library: {name for name, found in IMPORTS.items() if library in map(package, found)}
        for library in ONE_IMPORTER
    }
    assert {library: found - {ONE_IMPORTER[library]} for library, found in importers.items()} == {
        library: set() for library in ONE_IMPORTER
    }


def test_only_the_database_module_commits() -> None:
    def commits(node: ast.AST) -> bool:
        return isinstance(node, ast.Attribute) and node.attr == "commit"

    assert {name for name, tree in TREES.items() if any(map(commits, ast.walk(tree)))} == {"core.db"}


def test_nobody_imports_the_sandbox() -> None:
    assert {name for name in TREES if "sandbox" in others(name)} == set()
