"""The API's document: every door is in it, it is sound, its examples are taken, and it says of scopes what happens."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_pydantic import OpenAPI
from pydantic import BaseModel

from core.api_keys import API_SCOPES, SCOPES, create_api_key
from core.db import transaction
from core.errors import SpokesError
from referrals.conversions.postback import Postback
from tests.factories import Cast
from web.api_doors import declared_of
from web.openapi import document_of, undeclared
from web.openapi_words import BESIDE


class Sent(BaseModel):
    """Something happened."""

    type: str


@pytest.fixture(scope="module")
def documents() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def document(app: Flask, documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Written once for these tests."""
    if not documents:
        documents.append(document_of(app, address="https://spokes.example", webhooks={"thing.done": Sent}))
    return documents[0]


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from _references(each)
    if isinstance(value, list):
        for each in value:
            yield from _references(each)


def test_every_address_of_the_api_is_in_the_document(app: Flask, document: dict[str, Any]) -> None:
    assert undeclared(app) == []
    rules = {
        (rule.rule.replace("<", "{").replace(">", "}"), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/")
    }
    assert rules == {(path, method) for path, method, _ in operations(document) if path not in BESIDE}


def test_the_postback_is_in_it_with_every_word_that_it_takes(app: Flask, document: dict[str, Any]) -> None:
    addresses = {rule.rule for rule in app.url_map.iter_rules() if "postback" in rule.rule}
    assert addresses == {"/webhooks/postback", "/webhooks/postback/<secret>"}
    for address in addresses:
        said = document["paths"][address.replace("<", "{").replace(">", "}")]["get"]["parameters"]
        words = {each["name"]: each["required"] for each in said if each["in"] == "query"}
        assert words == {name: each.is_required() for name, each in Postback.model_fields.items()}
        assert all(each["description"] for each in said)


def test_the_document_is_sound(document: dict[str, Any]) -> None:
    OpenAPI.model_validate(document)
    assert document["openapi"].startswith("3.1.")
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for reference in set(_references(document)):
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    ids = [operation["operationId"] for _path, _method, operation in operations(document)]
    assert len(ids) == len(set(ids))
    tags = {tag["name"] for tag in document["tags"]}
    assert {tag for _path, _method, each in operations(document) for tag in each["tags"]} == tags


def test_what_we_send_is_in_it_too(document: dict[str, Any]) -> None:
    sent = document["webhooks"]["thing.done"]["post"]
    assert sent["summary"] == "Something happened."
    assert sent["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/Sent")
    assert {each["name"] for each in sent["parameters"]} == {
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    }


def test_every_operation_says_its_scope_and_keeps_it(
    app: Flask, client: FlaskClient, cast: Cast, document: dict[str, Any]
) -> None:
    with transaction():
        keys = {
            scope: create_api_key("all but one", [each for each in SCOPES if each != scope], cast.north.id)
            for scope in SCOPES
        }
    asked = set()
    for path, method, operation in operations(document):
        if not operation["security"]:
            continue
        [[scope]] = [each["key"] for each in operation["security"]]
        asked.add(scope)
        headers = {"Authorization": f"Bearer {keys[scope]}"}
        answer = client.open(path.replace("{code}", "ana"), method=method.upper(), headers=headers, json={})
        assert answer.status_code == 403, (path, method)
        nobody = client.open(path.replace("{code}", "ana"), method=method.upper(), json={})
        assert nobody.status_code == 401, (path, method)
    assert asked == set(API_SCOPES)


def test_every_refusal_has_its_name_and_sentence(document: dict[str, Any], app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        declared = declared_of(app.view_functions[rule.endpoint])
        for status, errors in (declared.refusals if declared else {}).items():
            for each in errors:
                assert issubclass(each, SpokesError)
                assert each.status == status
                assert (each.__doc__ or "").rstrip(' "').endswith((".", "KEY"))
    text = json.dumps(document)
    for name in ("ConversionDiffers", "TooManyRequests", "WrongCursor", "NotNdjson", "LinkNotFound"):
        assert f'"{name}"' in text
