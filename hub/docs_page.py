"""Doors for integrators: the API's document, and the same as a page."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, render_template, request
from pydantic import BaseModel
from werkzeug.wrappers import Response as AnyResponse

from core.settings import settings
from curriculum.markdown import render_markdown
from web.api_reference import reference_of
from web.requests import transacts_itself

door = Blueprint("hub_docs", __name__)

WEBHOOKS: Mapping[str, type[BaseModel]] = {}
"""what is sent to integrators: the body's model by its type, as in hub/webhook_types.py"""
FRESH_S = 3600


@door.get("/openapi.json")
@transacts_itself
def openapi() -> AnyResponse:
    """The document; kept for an hour, and asked for again by its tag."""
    answer: Response = jsonify(_document())
    answer.cache_control.public, answer.cache_control.max_age = True, FRESH_S
    answer.add_etag()
    return answer.make_conditional(request)


@door.get("/docs")
def docs() -> str:
    """The document to be read."""
    return render_template(
        "public/hub/docs.html",
        reference=reference_of(_document()),
        markdown=render_markdown,
        address=settings().address,
    )


def _document() -> dict[str, Any]:
    """The document of this application, written at its first use."""
    from web.openapi import document_of  # its library takes 0.3 s to import: not at every start

    known: dict[str, dict[str, Any]] = current_app.extensions.setdefault("openapi", {})
    address = settings().address
    if address not in known:
        app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - Flask's own way out of the proxy
        known.clear()
        known[address] = document_of(app, address=address, webhooks=WEBHOOKS)
    return known[address]
