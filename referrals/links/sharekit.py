"""The share kit: words to begin from, the disclosure first in each, and the check that it is (US 16 CFR 255.5)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal
from urllib.parse import quote

from referrals.links.taken_back import takes_it_back

ChannelName = Literal["mail", "whatsapp", "x", "linkedin", "facebook", "blog"]
CHANNELS: dict[ChannelName, str] = {
    "mail": "E-mail",
    "whatsapp": "WhatsApp",
    "x": "X",
    "linkedin": "LinkedIn",
    "facebook": "Facebook",
    "blog": "Blog or newsletter",
}
FEWEST = 3
"""variants that every channel has"""
COMPANY, ADDRESS = "{company}", "{address}"
BUILT_IN: dict[ChannelName, tuple[str, ...]] = {
    "mail": (
        "I’m rewarded by {company}. If you buy by this link I get something for it; here is the page I meant: {address}",
        "Ad: you asked me about {company}. This is where I would begin, and why: {address}",
        "I get a reward for this: the thing from {company} I told you about is here: {address}",
    ),
    "whatsapp": (
        "I’m rewarded by {company}. This is the page I meant: {address}",
        "Ad: you asked about {company}; here it is: {address}",
        "I get a reward for this: the thing I told you about: {address}",
    ),
    "x": (
        "#ad What I use from {company}, and why: {address}",
        "Ad: Asked me about {company} lately? Here is where I would begin: {address}",
        "I’m rewarded by {company}. Here is what I would look at first: {address}",
    ),
    "linkedin": (
        "#ad Here is what worked for me with {company}, and what did not: {address}",
        "Ad: Three things I learned while using {company}. Tell me where you differ. {address}",
        "I’m rewarded by {company}. I would say the same without it; judge for yourself: {address}",
    ),
    "facebook": (
        "#ad Here is what I use from {company}, and for what: {address}",
        "Ad: If you are looking for what I showed you last time, it is from {company}: {address}",
        "I’m rewarded by {company}. What I like, and what I would change, is below. {address}",
    ),
    "blog": (
        "Ad: This post has a link to {company}, and I get a reward if you buy by it: {address}",
        "I’m rewarded by {company}. Nobody there has read this before you. The page is here: {address}",
        "Advertisement: I use {company} myself, and this is what I would tell a friend: {address}",
    ),
}

UNCLEAR = ("#sp", "#spon", "#partner", "#collab", "#ambassador", "#affiliate", "#thanks")
"""tags that do not tell an ordinary reader that somebody is rewarded"""
_CLEAR = (
    r"#ad(?![\w-])|ad(?:vertisement)?:|#advertisement(?![\w-])|#sponsored(?![\w-])|sponsored:|paid partnership"
    r"|i[’']?(?:m| am) rewarded by (?!no(?:body|thing|[ -]?one)\b)\w"
    r"|i (?:get|receive|earn) (?:a reward|rewards|a commission|points)"
)
_FIRST = re.compile(rf"\W*?(?:{_CLEAR})", re.IGNORECASE)
_ANYWHERE = re.compile(rf"(?<![\w#])(?:{_CLEAR})", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.:!?]+(?=\s|$)|\n")
_TAG = re.compile(r"#[\w-]+")
_ASKED = re.compile(r"[^.!\w]*[?\uff1f]")
_UNSEEN = re.compile("[\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069]")
"""characters without a shape of their own, and those that turn the direction of what follows"""


@dataclass(frozen=True)
class Variant:
    """Words for one channel: the disclosure and what follows it."""

    disclosure: str
    text: str

    @property
    def whole(self) -> str:
        """What is copied."""
        return f"{self.disclosure} {self.text}"


@dataclass(frozen=True)
class Channel:
    """Where one shares, with a few ways to say it."""

    slug: ChannelName
    name: str
    variants: tuple[Variant, ...]
    intent: str
    """an address that opens the channel with the text that is put behind it, percent-encoded; empty where none does"""

    def opens_with(self, text: str) -> str:
        """The address that opens the channel with this text."""
        return f"{self.intent}{quote(text, safe='')}"


def share_kit(
    company: str, address: str, own: Mapping[ChannelName, Sequence[str]] = MappingProxyType({})
) -> tuple[Channel, ...]:
    """The channels with their words for a programme called `company` and a link's address.

    `own`: channel → the programme's own texts, which come first; from three of them on ours stay away.
    """
    return tuple(
        Channel(slug, CHANNELS[slug], _variants(slug, company, address, own.get(slug, ())), intent)
        for slug, intent in _intents(company, address).items()
    )


def _variants(slug: ChannelName, company: str, address: str, own: Sequence[str]) -> tuple[Variant, ...]:
    texts = [*own, *(BUILT_IN[slug] if len(own) < FEWEST else ())]
    return tuple(split(each.replace(COMPANY, company).replace(ADDRESS, address)) for each in texts)


def _intents(company: str, address: str) -> dict[ChannelName, str]:
    subject, link = quote(f"Ad: {company}", safe=""), quote(address, safe="")
    return {
        "mail": f"mailto:?subject={subject}&body=",
        "whatsapp": "https://wa.me/?text=",
        "x": "https://x.com/intent/post?text=",
        "linkedin": "https://www.linkedin.com/feed/?shareActive=true&text=",
        "facebook": f"https://www.facebook.com/sharer/sharer.php?u={link}&quote=",
        "blog": "",
    }


def split(text: str) -> Variant:
    """A text that begins with its disclosure, in two: the tag, or the sentence that discloses, and what follows it."""
    found = _FIRST.match(text)
    end = found.end() if found else 0
    if found and found[0][-1] != ":" and "#" not in found[0]:
        rest = _SENTENCE_END.search(text, end)
        end = rest.end() if rest else len(text)
    return Variant(text[:end].strip(), text[end:].strip())


def disclosure_problem(text: str) -> str | None:
    """What is wrong with the disclosure of a text, as a sentence; None when it comes first and says what it is."""
    first = _FIRST.match(text)
    if _UNSEEN.search(text):
        return (
            "There are characters in it that nobody sees or that turn the text around: please type it anew."
        )
    return _problem_without(text) if first is None else _problem_with(text, first.end())


def _problem_with(text: str, end: int) -> str | None:
    if _ASKED.match(text, end) or split(text).disclosure.endswith("?"):
        return "A disclosure says that you are rewarded; it does not ask."
    if takes_it_back(text):
        return "The text takes its disclosure back: whoever shares it is rewarded, and it must not say otherwise."
    return None


def _problem_without(text: str) -> str:
    if _ANYWHERE.search(text):
        return "The disclosure has to come first: who reads only the beginning must see it."
    unclear = [tag for tag in _TAG.findall(text.lower()) if tag in UNCLEAR]
    if unclear:
        return (
            f"{unclear[0]} does not say that you are rewarded. Begin with #ad, “Ad:” or “I’m rewarded by …”."
        )
    return "Begin with a disclosure: #ad, “Ad:” or “I’m rewarded by …”."
