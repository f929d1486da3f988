"""Whatever the local Stripe answered in a session, in whichever process, is held against Stripe's contract at its end."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from sandbox.stripe.recording import FOLDER
from tests.sandbox.contract import CURRENT, Contract, Exchange, Json, load


def record_into(folder: Path) -> None:
    """Have every local Stripe that is started from here write down what it answers; what it began elsewhere goes on."""
    os.environ.setdefault(FOLDER, str(folder))


def problems(folder: Path) -> list[str]:
    """What in the answers of a folder is against the contract; nothing where the contract is not at hand."""
    if not CURRENT.exists():
        return []
    contract = load(CURRENT)
    return sorted({each for line in _lines(folder) for each in _of(line, contract)})


def _lines(folder: Path) -> Iterator[Json]:
    for file in folder.glob("*.jsonl"):
        for line in file.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def _of(line: Json, contract: Contract) -> Iterator[str]:
    method, path, body = line["method"], line["path"], line["body"]
    if method == "EVENT":
        about = body["data"]["object"]
        known = about["object"] in contract.document["x-resource-index"]
        found = contract.problems(contract.schema_of("event"), body)
        found += contract.problems(contract.schema_of(about["object"]), about) if known else []
    else:
        found = contract.check(Exchange(method, path, line["sent"], line["status"], body))
    for each in found:
        yield f"{method} {path} ({line['status']}): {each}"
