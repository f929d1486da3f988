"""The API's document, made ready for a page: what a reader looks for, in the order in which they look."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Field:
    """A parameter, or a field of a body."""

    name: str
    kind: str
    """`text`, `list of NewLine`, `one of lead, sale`"""
    model: str
    """the model that describes it further; empty for plain values"""
    needed: bool
    about: str
    """Markdown; may be empty"""


@dataclass(frozen=True)
class Model:
    """An object that is sent or answered."""

    name: str
    about: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Outcome:
    """What one status means."""

    status: str
    meaning: str
    model: str
    refusals: tuple[tuple[str, str], ...]
    """name and sentence of each refusal"""


@dataclass(frozen=True)
class Operation:
    """An address with a method."""

    id: str
    method: str
    path: str
    summary: str
    about: str
    scope: str
    """empty where no key is needed"""
    parameters: tuple[Field, ...]
    body: str
    """the model of the body; empty when there is none"""
    example: str
    """a body, as indented JSON; may be empty"""
    answers: tuple[Outcome, ...]
    refusals: tuple[Outcome, ...]


@dataclass(frozen=True)
class Group:
    """The operations on one kind of thing."""

    name: str
    about: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True)
class Reference:
    """The whole page."""

    about: str
    keys: str
    groups: tuple[Group, ...]
    webhooks: tuple[Operation, ...]
    models: tuple[Model, ...]


def reference_of(document: Json) -> Reference:
    """The page of a document that web/openapi.py wrote."""
    every = [
        (each["tags"][0], _operation(path, method, each, document))
        for path, item in document["paths"].items()
        for method, each in item.items()
    ]
    groups = [
        Group(tag["name"], tag["description"], tuple(found for name, found in every if name == tag["name"]))
        for tag in document["tags"]
    ]
    sent = [
        _operation(name, "post", item["post"], document)
        for name, item in document.get("webhooks", {}).items()
    ]
    models = [_model(name, schema) for name, schema in document["components"]["schemas"].items()]
    keys = document["components"]["securitySchemes"]["key"]["description"]
    return Reference(document["info"]["description"], keys, tuple(groups), tuple(sent), tuple(models))


def _operation(path: str, method: str, said: Json, document: Json) -> Operation:
    outcomes = [_outcome(status, each, document) for status, each in said["responses"].items()]
    body: Json = next(iter(said.get("requestBody", {}).get("content", {}).values()), {})
    examples = body.get("examples", {}).values()
    return Operation(
        id=said.get("operationId", path),
        method=method.upper(),
        path=path,
        summary=said["summary"],
        about=said.get("description", ""),
        scope=next((scope for each in said["security"] for scope in each.get("key", [])), ""),
        parameters=tuple(
            _field(each["name"], each["schema"], needed=each["required"], about=each.get("description", ""))
            for each in said.get("parameters", [])
        ),
        body=_model_name(body.get("schema", {})),
        example=next((json.dumps(each["value"], indent=2, ensure_ascii=False) for each in examples), ""),
        answers=tuple(each for each in outcomes if not each.status.startswith(("4", "5"))),
        refusals=tuple(each for each in outcomes if each.status.startswith(("4", "5"))),
    )


def _outcome(status: str, said: Json, document: Json) -> Outcome:
    if "$ref" in said:
        said = document["components"]["responses"][said["$ref"].rpartition("/")[2]]
    media: Json = next(iter(said.get("content", {}).values()), {})
    refusals = [(name, each["summary"]) for name, each in media.get("examples", {}).items()]
    return Outcome(status, said["description"], _model_name(media.get("schema", {})), tuple(refusals))


def _model(name: str, schema: Json) -> Model:
    needed = schema.get("required", [])
    fields = [
        _field(each, said, needed=each in needed, about=said.get("description", ""))
        for each, said in schema.get("properties", {}).items()
    ]
    ways = [
        _field("", said, needed=False, about="") for said in schema.get("anyOf", [])
    ]  # one of several models
    return Model(name, schema.get("description", ""), tuple(fields or ways))


def _field(name: str, schema: Json, *, needed: bool, about: str) -> Field:
    limits = ", ".join(_limits(schema))
    kind = f"{_kind(schema)} ({limits})" if limits else _kind(schema)
    return Field(name, kind, _model_name(schema), needed, about)


_WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
_FORMATS = {"date-time": "moment", "date": "day", "uri": "address"}


def _kind(schema: Json) -> str:
    """What kind of value it is, in words."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(each) for each in schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return "one of " + ", ".join(map(str, schema.get("enum", [schema.get("const")])))
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    plain = str(schema.get("type", "anything"))
    return _FORMATS.get(schema.get("format", ""), _WORDS.get(plain, plain))


def _limits(schema: Json) -> Iterator[str]:
    kinds = [schema, *schema.get("anyOf", [])]
    found = {key: value for each in kinds for key, value in each.items()}
    if "minimum" in found and "maximum" in found:
        yield f"{found['minimum']:,} to {found['maximum']:,}"
    if found.get("maxLength", 10_000) < 10_000:  # noqa: PLR2004 - more is no limit that somebody meets
        yield f"up to {found['maxLength']:,} characters"
    if "default" in schema and schema["default"] not in (None, "", False):
        yield f"{schema['default']} when it is missing"


def _model_name(schema: Json) -> str:
    """The model that a schema leads to, also through a list or a null."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    inner = [*schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])]
    return next((name for each in inner if (name := _model_name(each))), "")
