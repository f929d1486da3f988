"""What the demo's managers give to share: a campaign, a coupon, words of their own, pictures, a UTM template."""

from dataclasses import replace
from datetime import timedelta

from advocates.membership import Membership
from core.access import Actor
from core.clock import now
from core.settings import settings
from hub.programmes import Programme, change
from hub.utm import usual_template
from referrals.links import campaigns, kit
from referrals.links.campaigns import Campaign
from referrals.links.link_changes import change_link, terms_of
from referrals.links.links import end_link, links_of, open_link
from referrals.links.sharekit import ChannelName

WORDS: tuple[tuple[ChannelName, str], ...] = (
    ("x", "#ad My hand grinder, three years in. What I would change is the lid: {address}"),
    ("whatsapp", "I’m rewarded by {company}. This is the grinder you asked about: {address}"),
    ("blog", "Ad: I get a reward from {company} if you buy here, and I bought mine myself: {address}"),
)
ASSETS = (("The shop, to look around", "/"), ("What people put into their basket", "/basket"))


def share_more(programme: Programme, advocate: Membership, *, by: Actor) -> None:
    """A winter campaign for everybody, a coupon for one advocate, and a fuller share kit."""
    change(programme, {"utm_template": {**usual_template(), "content": "{code}"}}, by=by)
    for channel, text in WORDS:
        kit.add_words(programme, channel, text, by=by)
    for title, path in ASSETS:
        kit.add_asset(programme, title, f"http://127.0.0.1:{settings().shop_port}{path}", by=by)
    first = links_of(advocate.id)[0]
    change_link(first, replace(terms_of(first), coupon="NOOR10"), by=by, seen_version=first.version)
    end_link(open_link(advocate, by=by, campaign="autumn fair"), by=by)
    winter = Campaign("winter table", programme.home_url, now(), now() + timedelta(days=45))
    campaigns.launch(programme, winter, digest=campaigns.preview(programme, winter).digest, by=by)
