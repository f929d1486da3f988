"""What the click path is held against: the least that a WSGI callable, and the least that Flask, can do for a redirect."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask, jsonify, redirect, request
from flask import Response as FlaskResponse
from werkzeug.wrappers import Response

TARGET = "https://shop.example/?utm_source=advocate&utm_medium=referral&utm_campaign=speed"


def bare(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A redirect that knows no link and records nothing."""
    start_response("302 Found", [("Location", TARGET), ("Content-Length", "0")])
    return []


minimal = Flask("minimal")


@minimal.get("/r/<code>")
def forward(code: str) -> Response:  # noqa: ARG001 - as little as Flask can do
    """The same in Flask."""
    return redirect(TARGET)


echo = Flask("echo")


@echo.post("/api/v1/conversions")
def take() -> tuple[FlaskResponse, int]:
    """A conversion that is read and stored nowhere."""
    return jsonify(external_id=request.get_json()["external_id"]), 201
