"""Every answer of the API, in whatever test, is held against the API's document."""

import json
import re
from copy import deepcopy
from functools import cache
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from web.openapi import document_of

DOCUMENT = "urn:spokes:api"
REFUSAL = f"{DOCUMENT}#/components/schemas/Refusal"
LINES_LOOKED_AT = 20


class CheckedClient(FlaskClient):
    """A client that fails where an answer is not as the document says."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:  # noqa: ANN401 - as Flask's own
        """Ask, and hold the answer against the document."""
        answer = super().open(*args, **kwargs)
        if answer.request.path.startswith("/api/"):
            check(self.application, answer)
        return answer


def check(app: Flask, answer: TestResponse) -> None:
    """Fail where the answer has a status, a media type, a field or a kind of value that the document does not have."""
    where = f"{answer.request.method} {answer.request.path}: {answer.status_code}"
    if answer.request.method == "HEAD":
        return
    operation = _operation(app, answer)
    if operation is None:  # no such address, or not by this method
        assert answer.status_code in {404, 405}, where
        _validate(REFUSAL, answer.get_json(), where)
        return
    pointer, responses = operation
    assert str(answer.status_code) in responses, f"{where} is not in the document: {answer.text[:300]}"
    said = responses[str(answer.status_code)]
    place = f"{DOCUMENT}#{pointer}/responses/{answer.status_code}"
    if "$ref" in said:
        place = DOCUMENT + said["$ref"]
        said = _document(app)["components"]["responses"][said["$ref"].rpartition("/")[2]]
    kind = answer.mimetype or ""
    assert kind in said["content"], where
    schema = f"{place}/content/{_escaped(kind)}/schema"
    lines = answer.text.split("\n")[:-1][:LINES_LOOKED_AT] if "ndjson" in kind else [answer.text]
    for line in lines:
        _validate(schema, json.loads(line), where)
    if answer.status_code >= 400:
        names = set(said["content"]["application/json"]["examples"])
        assert answer.json is not None
        assert answer.json["error"] in names, f"{where} {answer.json['error']} is not among {sorted(names)}"


def _operation(app: Flask, answer: TestResponse) -> tuple[str, dict[str, Any]] | None:
    adapter = app.url_map.bind("localhost")
    try:
        rule, _parts = adapter.match(answer.request.path, method=answer.request.method, return_rule=True)
    except HTTPException:
        return None
    template, method = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), answer.request.method.lower()
    return f"/paths/{_escaped(template)}/{method}", _document(app)["paths"][template][method]["responses"]


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")


_strict: dict[int, dict[str, Any]] = {}


def _document(app: Flask) -> dict[str, Any]:
    """The document, in which no object has fields that it does not name: what we answer is all written down."""
    if id(app) not in _strict:
        made = deepcopy(document_of(app, address="http://localhost", webhooks={}))
        for schema in made["components"]["schemas"].values():
            if "properties" in schema:
                schema["additionalProperties"] = False
        _strict.clear()
        _strict[id(app)] = made
        _validator.cache_clear()
    return _strict[id(app)]


@cache
def _validator(schema: str) -> Draft202012Validator:
    resource = DRAFT202012.create_resource(next(iter(_strict.values())))
    registry: Registry[Any] = Registry().with_resource(DOCUMENT, resource)
    return Draft202012Validator({"$ref": schema}, registry=registry)


def _validate(schema: str, value: object, where: str) -> None:
    problems = [each.message for each in _validator(schema).iter_errors(value)]
    assert not problems, f"{where} is not as {schema} says: {problems[:3]}"
