"""Stripe's own contract (names, types, enums, nullability) as JSON Schema, and a client that records for checking."""

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import stripe
from jsonschema import Draft202012Validator

from sandbox.stripe.form import decode

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "stripe"
CURRENT = FOLDER / "stripe-connect-current-sdk-16.1.0.json"
PUBLISHED = FOLDER / "stripe-connect-subset.json"
Json = dict[str, Any]


@dataclass(frozen=True)
class Exchange:
    """One request and its answer."""

    method: str
    path: str
    sent: Json
    status: int
    body: Json


class RecordingClient(stripe.RequestsClient):
    """The SDK's own HTTP client, remembering what went over the wire."""

    def __init__(self) -> None:
        super().__init__(timeout=10)
        self.exchanges: list[Exchange] = []

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,  # noqa: ANN401 - as in the SDK
        **more: Any,  # noqa: ANN401 - as in the SDK
    ) -> tuple[Any, int, Any]:
        body, status, answered = super().request(method, url, headers, post_data, **more)
        parts = urlsplit(url)
        by_json = parts.path.startswith("/v2/") and post_data
        sent = (
            json.loads(post_data)
            if by_json
            else decode(parse_qsl(post_data or parts.query, keep_blank_values=True))
        )
        with contextlib.suppress(ValueError):  # a fault may have cut the body
            self.exchanges.append(Exchange(method.upper(), parts.path, dict(sent), status, json.loads(body)))
        return body, status, answered


@dataclass(frozen=True)
class Contract:
    """One contract file, made strict: null where `nullable`, no field that it does not name."""

    document: Json
    validators: dict[str, Draft202012Validator] = field(default_factory=dict)

    def schema_of(self, object_name: str) -> str:
        """The reference of an object's schema, e.g. of `transfer`."""
        index: dict[str, str] = self.document["x-resource-index"]
        return index[object_name]

    def problems(self, reference: str, value: object) -> list[str]:
        """What in the value is against the schema; empty when all is well."""
        validator = self.validators.get(reference)
        if validator is None:
            schema = {"$ref": reference, "components": self.document["components"]}
            validator = self.validators.setdefault(reference, Draft202012Validator(schema))
        return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]

    def operation(self, method: str, path: str) -> Json | None:
        """The operation with this method whose address pattern fits the path."""
        for pattern, operations in self.document["paths"].items():
            if method.lower() in operations and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path):
                found: Json = operations[method.lower()]
                return found
        return None

    def check(self, exchange: Exchange) -> list[str]:
        """What in one exchange is against the contract: parameters of accepted requests, and every answer."""
        if exchange.status != 200:
            return self._refusal_problems(exchange)
        operation = self.operation(exchange.method, exchange.path)
        if operation is None:
            return [f"{exchange.method} {exchange.path} is not in the contract"]
        return [*self._answer_problems(operation, exchange), *self._param_problems(operation, exchange)]

    def _refusal_problems(self, exchange: Exchange) -> list[str]:
        if not exchange.path.startswith("/v2/"):
            return self.problems("#/components/schemas/error_object..ErrorObject", exchange.body["error"])
        error = exchange.body["error"]
        wanted = {"message"} if exchange.status >= 500 else {"code", "message"}
        return [] if wanted <= error.keys() else [f"{sorted(error)} lacks one of {sorted(wanted)}"]

    def _answer_problems(self, operation: Json, exchange: Exchange) -> list[str]:
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        if not schema.get("x-list"):
            return self.problems(schema["$ref"], exchange.body)
        found = [] if set(exchange.body) == {"object", "data", "has_more", "url"} else ["not a list object"]
        item = schema["properties"]["data"]["items"]["$ref"]
        return [
            *found,
            *(problem for entry in exchange.body["data"] for problem in self.problems(item, entry)),
        ]

    def _param_problems(self, operation: Json, exchange: Exchange) -> list[str]:
        if not exchange.sent:
            return []
        reference = operation["x-params"]["$ref"]
        return self.problems(reference, self.typed({"$ref": reference}, exchange.sent))

    def typed(self, schema: Json, value: Any) -> Any:  # noqa: ANN401 - any JSON
        """A form-encoded value as the type that the schema wants, where it can be read so."""
        if "$ref" in schema:
            return self.typed(self.document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], value)
        if isinstance(value, dict):
            wanted = next((part for part in self._alternatives(schema) if part.get("type") == "object"), {})
            names = wanted.get("properties", {})
            return {name: self.typed(names.get(name, {}), entry) for name, entry in value.items()}
        if isinstance(value, list):
            items: Json = next((part["items"] for part in self._alternatives(schema) if "items" in part), {})
            return [self.typed(items, entry) for entry in value]
        kinds = {part.get("type") for part in self._alternatives(schema)}
        if isinstance(value, str) and kinds & {"integer", "number"} and value.isdigit():
            return int(value)
        return value == "true" if "boolean" in kinds and value in {"true", "false"} else value

    def _alternatives(self, schema: Json) -> Iterator[Json]:
        for part in schema.get("anyOf", [schema]):
            if "$ref" in part:
                yield from self._alternatives(
                    self.document["components"]["schemas"][part["$ref"].rsplit("/", 1)[1]]
                )
            else:
                yield part


def strict(node: Any) -> Any:  # noqa: ANN401 - any JSON
    """The OpenAPI schema as JSON Schema: `nullable` becomes a type, and named properties are the only ones."""
    if isinstance(node, list):
        return [strict(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    made = {name: strict(entry) for name, entry in node.items() if name != "nullable"}
    if made.get("type") == "object" and "properties" in made:
        made.setdefault("additionalProperties", False)
    return {"anyOf": [made, {"type": "null"}]} if node.get("nullable") is True else made


@cache
def load(path: Path) -> Contract:
    """The contract in this file."""
    document: Json = json.loads(path.read_text(encoding="utf-8"))
    return Contract(document | {"components": strict(document["components"])})
