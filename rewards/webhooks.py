"""Stripe's door: the signature is checked, the event stored, and Stripe answered at once."""

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from core.settings import settings
from rewards.stripe import stripe_event_rows, stripe_gateway
from web.protection import csrf

door = Blueprint("rewards_webhooks", __name__)
csrf.exempt(door)


@door.post("/webhooks/stripe")
def platform() -> ResponseReturnValue:
    """Events about the platform."""
    return _receive(settings().stripe_secret)


@door.post("/webhooks/stripe-connect")
def connected() -> ResponseReturnValue:
    """Events about advocates' accounts."""
    return _receive(settings().stripe_connect_secret)


def _receive(secret: str) -> ResponseReturnValue:
    signature = request.headers.get("Stripe-Signature", "")
    event = stripe_gateway.verify_webhook(request.get_data(), signature, secret)
    return jsonify(received=True, new=stripe_event_rows.store(event))
