"""The OpenAPI 3.1 document, written from what the doors for machines declare of themselves (web/api_doors.py)."""

import re
from collections.abc import Callable, Iterator, Mapping
from inspect import getdoc
from typing import Any

from flask import Flask
from openapi_pydantic import (
    Components,
    Example,
    Header,
    Info,
    MediaType,
    OpenAPI,
    Operation,
    Parameter,
    PathItem,
    Reference,
    RequestBody,
    Response,
    SecurityScheme,
    Server,
    Tag,
)
from openapi_pydantic.util import PydanticSchema, construct_open_api_with_schema_class
from pydantic import BaseModel
from werkzeug.routing import Rule

from core.answers import Refusal
from core.api_keys import API_SCOPES
from core.errors import SpokesError
from web.api_doors import NDJSON, Declared, declared_of
from web.openapi_words import (
    ABOUT,
    AGAIN,
    BESIDE,
    HEADERS,
    IDEMPOTENCY_KEY,
    MEANING,
    SENT_WITH,
    TAGS,
    WEBHOOK,
)

API = "/api/"
JSON = "application/json"
VERSION = "1.0"
_PART = re.compile(r"<(?:\w+:)?(\w+)>")
ORDER = ("get", "post", "patch", "put", "delete")


def document_of(app: Flask, *, address: str, webhooks: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """The document as plain JSON.

    `address` is where we are reached; `webhooks` are the bodies that we send, by their type (`conversion.recorded`).
    """
    paths: dict[str, PathItem] = {}
    shared: dict[str, Response] = {}
    for rule, method, view, declared in _doors(app):
        operation = _operation(rule, view, declared, shared)
        item = paths.setdefault(_PART.sub(r"{\1}", rule.rule), PathItem())
        setattr(item, method, operation)
    whole = OpenAPI(
        info=Info(title="Spokes", version=VERSION, description=ABOUT),
        servers=[Server(url=address)],
        tags=[Tag(name=name, description=sentence) for name, sentence in TAGS.items()],
        paths={**paths, **{path: PathItem.model_validate(each) for path, each in BESIDE.items()}},
        webhooks={name: _webhook(model) for name, model in webhooks.items()} or None,
        components=Components(
            securitySchemes={"key": _key_scheme()},
            headers={name: Header.model_validate(each) for name, each in HEADERS.items()},
            responses=dict(sorted(shared.items())),
        ),
    )
    made = construct_open_api_with_schema_class(whole)
    plain: dict[str, Any] = _tidy(made.model_dump(mode="json", by_alias=True, exclude_none=True))
    return plain


def undeclared(app: Flask) -> list[str]:
    """Every address below /api/ whose view does not say what it takes and answers."""
    return [
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(API) and declared_of(app.view_functions[rule.endpoint]) is None
    ]


def _doors(app: Flask) -> Iterator[tuple[Rule, str, Callable[..., Any], Declared]]:
    """Address, method, view, declaration; by address, reading before writing."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda each: each.rule):
        view = app.view_functions[rule.endpoint]
        declared = declared_of(view)
        if declared is None:
            continue
        for method in ORDER:
            if method.upper() in (rule.methods or ()):
                yield rule, method, view, declared


def _operation(
    rule: Rule, view: Callable[..., Any], declared: Declared, shared: dict[str, Response]
) -> Operation:
    summary, _, more = (getdoc(view) or "").partition("\n\n")
    return Operation(
        operationId=view.__name__,
        tags=[rule.rule.removeprefix(API).split("/")[1]],
        summary=summary,
        description=" ".join(more.split()) or None,
        security=[{"key": [declared.scope]}],
        parameters=_parameters(rule, declared) or None,
        requestBody=_body(declared),
        responses={**_answers(declared), **_refusals(declared, shared)},
    )


def _parameters(rule: Rule, declared: Declared) -> list[Parameter | Reference]:
    found = [_parameter(name, "path", {"type": "string"}, required=True) for name in sorted(rule.arguments)]
    if declared.form == "query":
        schema = declared.given.model_json_schema()
        needed = schema.get("required", [])
        found += [
            _parameter(name, "query", _without_null(each), required=name in needed)
            for name, each in schema["properties"].items()
        ]
    if declared.idempotency_key:
        found.append(_parameter("Idempotency-Key", "header", IDEMPOTENCY_KEY, required=False))
    return [*found]


def _parameter(name: str, place: str, schema: dict[str, Any], *, required: bool) -> Parameter:
    plain = {key: value for key, value in schema.items() if key not in {"title", "description"}}
    described = {"description": schema["description"]} if "description" in schema else {}
    return Parameter.model_validate(
        {"name": name, "in": place, "required": required, "schema": plain, **described}
    )


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """In a query nothing is null: what may be missing is left away."""
    kinds = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
    kept = {key: value for key, value in schema.items() if key != "anyOf" and value is not None}
    return {**kept, **kinds[0]} if len(kinds) == 1 else schema


def _body(declared: Declared) -> RequestBody | None:
    if declared.form == "query":
        return None
    media = MediaType(schema=PydanticSchema(schema_class=declared.given))
    if declared.example is not None:
        media.examples = {"usual": Example(value=dict(declared.example))}
    if declared.form == "json":
        return RequestBody(content={JSON: media}, required=True)
    return RequestBody(content={NDJSON: media}, required=True, description="One such JSON object a line.")


def _answers(declared: Declared) -> dict[str, Response | Reference]:
    kind, more = (NDJSON, " One such JSON object a line.") if declared.form == "lines" else (JSON, "")
    return {
        str(status): Response(
            description=(AGAIN if status == 200 and 201 in declared.answers else MEANING[status]) + more,  # noqa: PLR2004 - HTTP's own
            headers={name: _reference("headers", name) for name in ("RateLimit", "RateLimit-Policy")},
            content={kind: MediaType(schema=PydanticSchema(schema_class=model))},
        )
        for status, model in sorted(declared.answers.items())
    }


def _refusals(declared: Declared, shared: dict[str, Response]) -> dict[str, Response | Reference]:
    """What each status says; where no refusal is the door's own, a reference to one of `shared`."""
    found: dict[str, Response | Reference] = {}
    for status, errors in declared.refusals.items():
        if set(errors) & set(declared.own_refusals):
            found[str(status)] = _refusal(status, errors)
            continue
        name = "Or".join(each.__name__ for each in errors)
        shared.setdefault(name, _refusal(status, errors))
        found[str(status)] = _reference("responses", name)
    return found


def _refusal(status: int, errors: list[type[SpokesError]]) -> Response:
    examples: dict[str, Example | Reference] = {}
    for each in errors:
        sentence = " ".join((each.__doc__ or "").split())
        shown = {"error": each.__name__, "message": sentence, "details": {}}
        examples[each.__name__] = Example(summary=sentence, value=shown)
    names = SENT_WITH.get(status, ())
    return Response(
        description=MEANING[status],
        headers={name: _reference("headers", name) for name in names} or None,
        content={JSON: MediaType(schema=PydanticSchema(schema_class=Refusal), examples=examples)},
    )


def _webhook(model: type[BaseModel]) -> PathItem:
    body = RequestBody(content={JSON: MediaType(schema=PydanticSchema(schema_class=model))}, required=True)
    summary = " ".join((model.__doc__ or "").split())
    return PathItem(
        post=Operation(
            summary=summary,
            requestBody=body,
            parameters=[Parameter.model_validate(each) for each in WEBHOOK["parameters"]],
            responses={
                name: Response(description=sentence) for name, sentence in WEBHOOK["responses"].items()
            },
            security=[],
        )
    )


def _key_scheme() -> SecurityScheme:
    scopes = ", ".join(f"`{each}`" for each in API_SCOPES)
    return SecurityScheme(
        type="http",
        scheme="bearer",
        description=f"A key of a unit, made in the console under Settings or by `bin/spokes create-api-key`. Scopes: {scopes}.",
    )


NOT_WORTH_SAYING = frozenset({"deprecated", "allowEmptyValue", "allowReserved"})


def _tidy(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Whole numbers as such (the library keeps bounds as floats), and no flag that says no."""
    if isinstance(value, dict):
        said = {key: each for key, each in value.items() if each is not False or key not in NOT_WORTH_SAYING}
        return {key: _tidy(each) for key, each in said.items()}
    if isinstance(value, list):
        return [_tidy(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _reference(kind: str, name: str) -> Reference:
    return Reference.model_validate({"$ref": f"#/components/{kind}/{name}"})
