"""Doors for staff: what a programme's links carry and what its advocates are given to share: UTM, words, assets."""

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field

from core.access import Actor, authorize
from core.inputs import Input, Line
from core.settings import settings
from hub import utm
from hub.programmes import Programme, change, get_programme
from hub.units import get_unit
from referrals.links import destinations, kit
from referrals.links.links_input import Address
from referrals.links.sharekit import CHANNELS, FEWEST, ChannelName
from web.forms import Form, read_form
from web.signing_in import staff

door = Blueprint("referrals_kit", __name__)

EXAMPLE = {"code": "ana-7k3mq", "campaign": "spring"}
AT = "/console/settings/programmes/<id:programme_id>/sharing"


class UtmTemplate(Input):
    """UTM fields with placeholders; an empty one is left out of the addresses."""

    source: str = Field(default="", max_length=200)
    medium: str = Field(default="", max_length=200)
    campaign: str = Field(default="", max_length=200)
    content: str = Field(default="", max_length=200)
    term: str = Field(default="", max_length=200)


class NewWords(Input):
    """A text for a channel."""

    channel: ChannelName
    text: str = Field(min_length=1, max_length=2_000)


class NewAsset(Input):
    """Something to share."""

    title: Line
    address: Address


class TakenAway(Input):
    """A text or an asset."""

    row_id: Line


@door.get(AT)
def sharing(programme_id: str) -> str:
    """The UTM template with an example, the programme's own words and assets, our words."""
    actor = staff("programme.see")
    programme = _seen(programme_id, actor, "programme.see")
    return render_template(
        "console/referrals/sharing.html",
        programme=programme,
        manage=actor.may("programme.manage", programme.unit_id),
        words=kit.words_of(programme.id),
        assets=kit.assets_of(programme.id),
        kit=kit.kit_for(programme, f"{settings().address}/r/{EXAMPLE['code']}"),
        channels=CHANNELS,
        fewest=FEWEST,
        fields=utm.FIELDS,
        example="".join(_example(programme)),
        form=Form(dict(programme.utm_template)),
    )


@door.post(AT)
def change_utm(programme_id: str) -> ResponseReturnValue:
    """Another template: links carry it from the next moment on."""
    actor = staff("programme.manage")
    programme = _seen(programme_id, actor, "programme.manage")
    change(programme, {"utm_template": utm.checked_template(read_form(UtmTemplate).model_dump())}, by=actor)
    return _back(programme, _("Saved. Links carry it from now on."))


@door.get(f"{AT}/words")
def words_form(programme_id: str) -> str:
    """Write words for a channel."""
    programme = _seen(programme_id, staff("programme.manage"), "programme.manage")
    return render_template(
        "console/referrals/words.html", programme=programme, channels=CHANNELS, form=Form({"text": "#ad "})
    )


@door.post(f"{AT}/words")
def add_words(programme_id: str) -> ResponseReturnValue:
    """Add them, if the disclosure comes first."""
    actor, typed = staff("programme.manage"), read_form(NewWords)
    programme = _seen(programme_id, actor, "programme.manage")
    kit.add_words(programme, typed.channel, typed.text, by=actor)
    return _back(programme, _("Added. Advocates find it in their share kit."))


@door.get(f"{AT}/assets")
def asset_form(programme_id: str) -> str:
    """Add a picture, a film or a page."""
    programme = _seen(programme_id, staff("programme.manage"), "programme.manage")
    return render_template("console/referrals/asset.html", programme=programme, form=Form())


@door.post(f"{AT}/assets")
def add_asset(programme_id: str) -> ResponseReturnValue:
    """Add it, if it is on one of the programme's hosts."""
    actor, typed = staff("programme.manage"), read_form(NewAsset)
    programme = _seen(programme_id, actor, "programme.manage")
    kit.add_asset(programme, typed.title, typed.address, by=actor)
    return _back(programme, _("Added. Advocates find it in their share kit."))


@door.post(f"{AT}/take-away")
def take_away(programme_id: str) -> ResponseReturnValue:
    """Advocates do not find it any more; what they have copied is theirs."""
    actor, typed = staff("programme.manage"), read_form(TakenAway)
    programme = _seen(programme_id, actor, "programme.manage")
    kit.take_away(programme, typed.row_id, by=actor)
    return _back(programme, _("Taken away."))


def _example(programme: Programme) -> tuple[str, str, str]:
    """The address a visitor is sent to, around its token."""
    values = {**EXAMPLE, "programme": programme.slug, "unit": get_unit(programme.unit_id).slug}
    before, after = destinations.around_token(programme.home_url, utm.filled(programme.utm_template, values))
    return before, "…", after


def _seen(programme_id: str, actor: Actor, action: str) -> Programme:
    programme = get_programme(programme_id)
    authorize(actor, action, programme.unit_id)
    return programme


def _back(programme: Programme, said: str) -> ResponseReturnValue:
    flash(said, "good")
    return redirect(f"/console/settings/programmes/{programme.id}/sharing", 303)
