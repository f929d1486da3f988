"""Requests that schemathesis makes up from the API's own document: never a 500, and every answer as the document says."""

import json
from typing import Any

import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as generated
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from core.api_keys import SCOPES, create_api_key
from core.db import transaction
from core.settings import Settings, configure
from referrals.clicks.clicks import ingest
from tests.factories import Cast
from tests.referrals.stories import Visitors, bring, make_earner, make_link
from tests.rewards.stories import percent_rule
from web.openapi import API, document_of

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = 16
CASES = 10
"""of each operation, well-formed ones and as many that are not"""


@schemathesis.serializer("application/x-ndjson")
def as_line(_context: object, value: object) -> bytes:
    """One line of a batch."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def test_whatever_the_document_allows_or_forbids_is_answered_as_it_says(
    app: Flask, cast: Cast, settings: Settings
) -> None:
    configure(
        settings.model_copy(
            update={"api_reads_per_minute": 0, "api_writes_per_minute": 0, "api_batches_per_minute": 0}
        )
    )
    with transaction():
        percent_rule(cast.programme)
        make_link(make_earner(cast.programme), "ana")
        bring(cast.north.id, code="ana")
        headers = {"Authorization": f"Bearer {create_api_key('made up', list(SCOPES), cast.north.id)}"}
    visitors = Visitors(settings)
    visitors.click("ana")
    visitors.leave()
    ingest()
    schema = schemathesis.openapi.from_dict(document_of(app, address="http://localhost", webhooks={}))
    schema.app = app
    asked: dict[str, set[int]] = {}
    for found in schema.include(path_regex=f"^{API}").get_all_operations():
        assert isinstance(found, Ok), "the document is not sound"
        operation = found.ok()
        asked[operation.label] = set()
        for mode in GenerationMode:
            asked[operation.label] |= statuses_of(operation, mode, headers)
    assert len(asked) == OPERATIONS
    for label, statuses in asked.items():
        assert statuses - {400, 413, 415, 422}, f"every request to {label} was refused as malformed"


def statuses_of(operation: Any, mode: GenerationMode, headers: dict[str, str]) -> set[int]:  # noqa: ANN401 - schemathesis' own
    """Ask one operation many things; the answer is with which statuses it answered."""
    seen: set[int] = set()

    @given(case=operation.as_strategy(generation_mode=mode))
    @generated(
        max_examples=CASES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: schemathesis.Case[Any]) -> None:
        if "code" in case.path_parameters and len(str(case.path_parameters["code"])) % 2:
            case.path_parameters["code"] = "ana"  # half of them meet a link that there is
        answer = case.call(headers=headers)
        case.validate_response(answer, checks=CHECKS)
        seen.add(answer.status_code)

    ask()
    return seen
