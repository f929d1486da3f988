"""The addresses in a text, also those that stand there without https: chat apps make links of hosts, too."""

import re
from functools import cache

from babel import Locale

_LONGER = (
    "agency|app|biz|blog|business|click|cloud|club|company|cyou|dev|digital|email|fun|group|help|icu|info|life|link|live"
    "|media|mobi|name|news|online|page|pro|rest|run|sale|shop|site|space|store|studio|team|tech|today|tools|top|vip"
    "|website|win|work|world|xyz"
)
"""the common ends of hosts that are longer than a country's, besides com, net and org"""
_REST = r"[^\s<>\"“”]"


def links_in(text: str) -> list[str]:
    """The addresses that are written out in a text, without the punctuation behind them.

    A host counts without https and www, too, where chat apps make a link of it: one with a known end, or with a path. A full
    stop without a space behind it is none (“it.Then”), nor are numbers and abbreviations (“2.0”, “e.g.”, “Node.js”).
    """
    return [found[0].rstrip(".,;:!?)]}’'") for found in _links().finditer(text)]


@cache
def _links() -> re.Pattern[str]:
    """Put together at the first need: which ends countries have is Babel's to know."""
    territories = map(str, Locale("en").territories)
    countries = sorted(each.lower() for each in territories if re.fullmatch("[A-Z]{2}", each))
    ends = "|".join([*countries, "eu", "uk", _LONGER])
    as_written = f"(?-i:{ends}|{ends.upper()})"  # “Look at me.So good” is no host, “me.so” is
    host = (
        r"(?:[\w-]+\.)+(?:com|net|org)"
        rf"|(?:[\w-]+\.)*(?=[\d-]*[^\W\d])[\w-]{{2,}}\.{as_written}"
        rf"|(?:[\w-]+\.)+(?:{ends}|xn--[a-z0-9-]+|(?-i:[a-z]{{2,}}|[A-Z]{{2,}}))(?=(?::\d+)?/)"
    )
    bare = rf"(?<![\w@-])(?<![\w@]\.)(?:{host})(?![\w@]|-\w)(?::\d+)?(?:[/?#]{_REST}*)?"
    return re.compile(rf"(?:[a-z][a-z0-9+.-]*://|www\.){_REST}+|{bare}", re.IGNORECASE)
