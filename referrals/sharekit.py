"""The share kit: words to begin from, the disclosure first in each, and the check that it is (US 16 CFR 255.5)."""

import re
from dataclasses import dataclass

UNCLEAR = ("#sp", "#spon", "#partner", "#collab", "#ambassador", "#affiliate", "#thanks")
"""tags that do not tell an ordinary reader that somebody is rewarded"""
_CLEAR = (
    r"#ad(?![\w-])|ad(?:vertisement)?:|#advertisement(?![\w-])|#sponsored(?![\w-])|sponsored:|paid partnership"
    r"|i[’']?(?:m| am) rewarded by \w|i (?:get|receive|earn) (?:a reward|rewards|a commission|points)"
)
_FIRST = re.compile(rf"\W*?(?:{_CLEAR})", re.IGNORECASE)
_ANYWHERE = re.compile(rf"(?<![\w#])(?:{_CLEAR})", re.IGNORECASE)
_TAG = re.compile(r"#[\w-]+")


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

    name: str
    variants: tuple[Variant, ...]


def share_kit(company: str, address: str) -> tuple[Channel, ...]:
    """The channels with their variants for a programme called `company` and a link's address."""
    rewarded = f"I’m rewarded by {company}."
    return (
        Channel(
            "Short post",
            (
                Variant("#ad", f"What I use from {company}, and why: {address}"),
                Variant("Ad:", f"Asked me about {company} lately? Here is where I would begin: {address}"),
                Variant(rewarded, f"Here is what I would look at first: {address}"),
            ),
        ),
        Channel(
            "Long post",
            (
                Variant(
                    "#ad",
                    f"Here is what worked for me with {company}, and what did not. Have a look: {address}",
                ),
                Variant(
                    "Ad:",
                    f"Three things I learned while using {company}. Tell me where you differ. {address}",
                ),
                Variant(rewarded, f"I would say the same without it; judge for yourself: {address}"),
            ),
        ),
        Channel(
            "Message to a friend",
            (
                Variant(rewarded, f"If you buy by this link I get something for it: {address}"),
                Variant("Ad:", f"you asked about {company}; this is the page I meant: {address}"),
                Variant("I get a reward for this:", f"the thing from {company} I told you about: {address}"),
            ),
        ),
    )


def disclosure_problem(text: str) -> str | None:
    """What is wrong with the disclosure of a text, as a sentence; None when it comes first and says what it is."""
    if _FIRST.match(text):
        return None
    if _ANYWHERE.search(text):
        return "The disclosure has to come first: who reads only the beginning must see it."
    unclear = [tag for tag in _TAG.findall(text.lower()) if tag in UNCLEAR]
    if unclear:
        return (
            f"{unclear[0]} does not say that you are rewarded. Begin with #ad, “Ad:” or “I’m rewarded by …”."
        )
    return "Begin with a disclosure: #ad, “Ad:” or “I’m rewarded by …”."
