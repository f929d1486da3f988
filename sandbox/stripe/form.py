"""Stripe's form encoding (`metadata[po]=1`, `expand[]=x`, `types[0]=y`) into nested dictionaries and lists."""

import re
from collections.abc import Iterable
from typing import TypeAlias

from sandbox.stripe.errors import StripeRefusal

Param: TypeAlias = "str | list[Param] | dict[str, Param]"
Tree: TypeAlias = dict[str, Param]

KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
MAX_DEPTH = 6


def decode(pairs: Iterable[tuple[str, str]]) -> Tree:
    """The nested parameters of a query string or form body; refuses keys that are no such path."""
    tree: Tree = {}
    for key, value in pairs:
        _place(tree, _path(key), value)
    return {name: _with_lists(branch) for name, branch in tree.items()}


def _path(key: str) -> list[str]:
    found = KEY.fullmatch(key)
    path = [found[1], *re.findall(r"\[([^\[\]]*)\]", found[2])] if found else []
    if not path or len(path) > MAX_DEPTH or "\0" in key:
        raise StripeRefusal("Invalid parameter name.", code="parameter_unknown")
    return path


def _place(tree: Tree, path: list[str], value: str) -> None:
    for depth, name in enumerate(path[:-1]):
        below = tree.setdefault(_named(tree, name), {})
        if not isinstance(below, dict):
            raise StripeRefusal("Invalid hash", param="".join(path[: depth + 1]))
        tree = below
    tree[_named(tree, path[-1])] = value


def _named(tree: Tree, name: str) -> str:
    return name or str(len(tree))  # `a[]=x&a[]=y` counts up


def _with_lists(branch: Param) -> Param:
    if not isinstance(branch, dict):
        return branch
    below = {name: _with_lists(value) for name, value in branch.items()}
    return list(below.values()) if all(name.isdigit() for name in below) else below
