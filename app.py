"""The web application, read top to bottom: settings, database, sign-in, errors, doors."""

from collections import Counter
from importlib import import_module

from flask import Flask, request
from flask_login import current_user
from jinja2 import StrictUndefined
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter

import reactions
from core import db
from core.ids import ID_PATTERN
from core.settings import Settings
from hub import actions
from hub.programmes import get_programme
from hub.units import get_unit
from web import assets, errors, formats, protection, signing_in
from web.forms import Form
from web.requests import SpokesFlask

DOORS = (
    "core.public",
    "core.operators",
    "core.console",
    "hub.public",
    "hub.portal",
    "hub.console",
    "hub.settings_page",
    "hub.new_programme_page",
    "hub.webhooks_page",
    "hub.docs_page",
    "advocates.public",
    "advocates.portal",
    "advocates.console",
    "advocates.activities_page",
    "advocates.tiers_page",
    "advocates.api",
    "curriculum.public",
    "curriculum.portal",
    "curriculum.console",
    "referrals.public",
    "referrals.portal",
    "referrals.links_page",
    "referrals.new_link_page",
    "referrals.campaign_page",
    "referrals.import_page",
    "referrals.kit_page",
    "referrals.live_page",
    "referrals.console",
    "referrals.conversions_import_page",
    "referrals.fraud_page",
    "referrals.appeals_page",
    "referrals.api",
    "referrals.webhooks",
    "referrals.links_api",
    "rewards.portal",
    "rewards.console",
    "rewards.runs_page",
    "rewards.schedule_page",
    "rewards.rules_page",
    "rewards.rates_page",
    "rewards.perks_page",
    "rewards.store_page",
    "rewards.reconciliation_page",
    "rewards.bank_page",
    "rewards.statements_page",
    "rewards.years_page",
    "rewards.tax_forms_page",
    "rewards.self_billing_page",
    "rewards.api",
    "rewards.ledger_conformance_api",
    "rewards.webhooks",
)
"""Every door of every package; each module has one `door`."""

MEGABYTE = 1024 * 1024


class IdConverter(BaseConverter):
    """`<id:reward_id>` in an address: anything that is no id is a 404 before a view sees it."""

    regex = ID_PATTERN


def create_app(settings: Settings) -> Flask:
    """The application over these settings; the database must be migrated already."""
    app = SpokesFlask(__name__, static_folder=None)
    app.config.update(
        SECRET_KEY=settings.secret,
        SESSION_COOKIE_NAME="spokes",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.production,
        WTF_CSRF_TIME_LIMIT=None,  # a form stays good as long as its session
        MAX_CONTENT_LENGTH=MEGABYTE,
        MAX_FORM_MEMORY_SIZE=MEGABYTE,
        MAX_FORM_PARTS=2_000,
        TRUSTED_HOSTS=settings.hosts or None,
        SPOKES=settings,
    )
    app.url_map.converters["id"] = IdConverter
    app.jinja_options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]  # Flask's way
    db.connect(settings.database)
    reactions.wire()
    protection.register_protection(app, settings)
    signing_in.register_sign_in(app)
    formats.register_formats(app)
    app.jinja_env.globals["asset"] = assets.asset  # macros are imported without context
    errors.register_errors(app)
    app.context_processor(_everywhere)
    for name in DOORS:
        app.register_blueprint(import_module(name).door)
    return app


def _everywhere() -> dict[str, object]:
    """What every template knows."""
    signed_in = current_user if current_user.is_authenticated else None
    return {
        "me": signed_in,
        "form": Form(),
        "theme": {"brand_name": "Spokes", "accent": None},
        "nav_counts": _nav_counts(signed_in),
        **_programme_here(signed_in),
    }


def _programme_here(signed_in: signing_in.SignedIn | None) -> dict[str, str]:
    """In the portal: which programme and unit an advocate looks at."""
    here = request.path.startswith("/portal") and db.in_transaction()
    if signed_in is None or not signed_in.is_advocate or not here:
        return {}
    member = signing_in.advocate()
    programme, unit = get_programme(member.programme_id), get_unit(member.unit_id)
    return {"programme_name": programme.name, "unit_name": unit.name}


NAVIGATION = {
    "application.review": "applications",
    "reward.approve": "rewards",
    "reward.approve_second": "rewards",
    "payout.look": "payouts",
    "reconciliation.look": "payouts",
    "fraud.review": "reviews",
    "appeal.decide": "appeals",
    "activity.decide": "activities",
    "webhook.look": "settings",
    "proof.look": "settings",
}
"""which entry of the console's menu counts which kind of waiting things"""


def _nav_counts(signed_in: signing_in.SignedIn | None) -> dict[str, int]:
    here = request.path.startswith("/console") and db.in_transaction()
    if signed_in is None or not signed_in.is_staff or not here:
        return {}
    counts = actions.counts_for(signed_in.actor)
    shown = Counter(todo=sum(counts.values()))
    for kind, count in counts.items():
        shown[NAVIGATION.get(kind, kind)] += count
    return dict(shown)
