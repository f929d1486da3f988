"""Words that take a disclosure back: “#ad (not really)”, “I get nothing for this”."""

import re

_NOT = r"(?:\bnot|\bnever|n[’']t)\b"
_AN_AD = r"an? (?:real |actual )?(?:ad|advert|advertisement|commercial|promotion)\b"
_EVER = r"(?: (?:really|actually|even|truly|exactly|at all|in any way))?"
_GET = r"(?:get|getting|earn|earning|receive|receiving|make|making|take|taking|gain|gaining)"
_GOT = r"(?:got|earned|received|made|took|gained)"
_FOR_IT = r"(?=\s*$|[.!?;,)]| (?:for (?:this|it|that|the|my|saying|posting|sharing)|from|by|in return|in exchange)\b)"
"""what tells a reward from other things: “I got nothing wrong” takes nothing back"""
_SOMETHING = r"(?:anything|any (?:money|reward|rewards|commission|points)|an? (?:reward|commission|cent|penny)|money(?! \w+s\b))"
_NOTHING = r"(?:nothing|no (?:money|reward|rewards|commission|points)|not a (?:cent|penny|thing))"
_ON = r"\b(?!,? (?:but|unless|until|if you (?:only|do not|don[’']t|never))\b)"
"""what makes a true sentence of it: “I get nothing unless you buy”"""
_I = r"\b(?:i|we)(?:[’'](?:m|re|ve|ll))?(?: (?!you\b|they\b)\w+){0,3}?"
_WAYS = (
    rf"\b(?:i|we|this|it)\b[^.!?\n]{{0,20}}{_NOT}(?: (?!only\b|just\b|merely\b)\w+)? (?:paid(?! (?:extra|more)\b)|sponsored|rewarded|an ad){_ON}",
    r"\b(?:this|it)(?:[’']s| is) no ad\b",
    r"[(–—-] ?no (?:real )?ad\b",
    rf"{_NOT}{_EVER} (?:{_AN_AD}|sponsored\b|advertising\b)",
    r"^\W*(?:#ad|ad:)\W+not (?:really|at all)\W",
    rf"{_I} {_GET} (?:paid )?(?:absolutely |literally )?{_NOTHING}{_ON}",
    rf"{_I} {_GOT} (?:absolutely |literally )?{_NOTHING}{_FOR_IT}",
    rf"{_I}(?: not| never|n[’']t)(?: (?!only\b|just\b|merely\b)\w+)? {_GET} {_SOMETHING}{_ON}",
    r"\b(?:nobody|no[ -]one|they (?:do not|don[’']t)) (?:pays?|paid|rewards?|rewarded|sponsors?|sponsored) (?:me|us|this)\b",
)
_TAKEN_BACK = re.compile("|".join(_WAYS), re.IGNORECASE)
_SPACES = re.compile(r"[^\S\n]+")


def takes_it_back(text: str) -> bool:
    """Whether a text says that whoever shares it is not rewarded, or that it is no advertisement."""
    return _TAKEN_BACK.search(_SPACES.sub(" ", text)) is not None
