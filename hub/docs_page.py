"""Doors for integrators: the API's document, and the same as a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, render_template, request
from pydantic import BaseModel
from werkzeug.wrappers import Response as AnyResponse

from core.settings import settings
from curriculum.markdown import render_markdown
from web.api_reference import Reference, reference_of
from web.requests import transacts_itself
from webhook_types import TYPES

door = Blueprint("hub_docs", __name__)

WEBHOOKS: Mapping[str, type[BaseModel]] = {each.name: each.message for each in TYPES}
"""what is sent to integrators: the body's model by its type"""
FRESH_S = 3600


@door.get("/openapi.json")
@transacts_itself
def openapi() -> AnyResponse:
    """The document; kept for an hour, and asked for again by its tag."""
    answer: Response = jsonify(_written().document)
    answer.cache_control.public, answer.cache_control.max_age = True, FRESH_S
    answer.add_etag()
    return answer.make_conditional(request)


@door.get("/docs")
@transacts_itself
def docs() -> str:
    """The document to be read."""
    return render_template(
        "public/hub/docs.html", reference=_written().page, markdown=markdown, address=settings().address
    )


markdown = cache(render_markdown)
"""the document's texts are a few hundred, and stay the same"""


@dataclass(frozen=True)
class Written:
    """The document, as it is sent and as it is shown."""

    address: str
    document: dict[str, Any]
    page: Reference


def _written() -> Written:
    """The document of this application, written at its first use."""
    from web.openapi import document_of  # its library takes 0.3 s to import: not at every start

    address = settings().address
    known: Written | None = current_app.extensions.get("openapi")
    if known is None or known.address != address:
        app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - Flask's own way out of the proxy
        document = document_of(app, address=address, webhooks=WEBHOOKS)
        known = current_app.extensions["openapi"] = Written(address, document, reference_of(document))
    return known
