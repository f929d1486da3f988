"""Text written by people as HTML that is safe to show: Markdown by markdown-it, then nh3's list of what may stay."""

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

from curriculum.questions import RichText

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore

_BLOCKS = {"blockquote", "br", "dd", "dl", "dt", "figcaption", "figure", "h2", "h3", "h4", "h5", "h6", "hr", "li"} | {
    "ol", "p", "pre", "ul", "caption", "table", "tbody", "td", "tfoot", "th", "thead", "tr",
}  # fmt: skip
_WORDS = {"a", "abbr", "b", "cite", "code", "del", "dfn", "em", "i", "img", "ins", "kbd", "mark", "q", "s", "samp"} | {
    "small", "strong", "sub", "sup", "u", "var",
}  # fmt: skip
TAGS: Final = frozenset(_BLOCKS | _WORDS)
ATTRIBUTES: Final = {
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "width", "height"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
}
SCHEMES: Final = {"http", "https", "mailto", "data"}

_OWN_PATH = re.compile(r"/?[A-Za-z0-9._~%-][A-Za-z0-9._~%/-]*")
_INLINE_IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+")
_ONE_PARAGRAPH = re.compile(r"<p>((?:(?!<p>).)*)</p>", re.DOTALL)


def render_markdown(text: str) -> Markup:
    """Markdown (CommonMark and tables) as safe HTML; a first-level heading becomes a second-level one."""
    return _safe(_renderer().render(text))


def render_rich(rich: RichText) -> Markup:
    """A question's text in its own format as safe HTML, without a paragraph around a single one."""
    match rich.format:
        case "plain":
            return Markup("<br>\n").join(escape(rich.text).split("\n"))
        case "markdown":
            html = _renderer().render(rich.text)
        case "moodle":
            html = rich.text.replace("\n", "<br>\n")
        case _:
            html = rich.text
    safe = _safe(html).strip()
    alone = _ONE_PARAGRAPH.fullmatch(safe)
    return Markup(alone.group(1)) if alone else safe  # noqa: S704 - a part of what nh3 just cleaned


def _safe(html: str) -> Markup:
    import nh3

    clean = nh3.clean(
        html,
        tags=set(TAGS),
        attributes=ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes=SCHEMES,
        link_rel="noopener nofollow",
    )
    return Markup(clean)  # noqa: S704 - cleaned by nh3 in the line above


def _attribute(tag: str, name: str, value: str) -> str | None:
    """An attribute's value, or None to drop it: images come from our own paths or the text itself, links never do."""
    if (tag, name) == ("img", "src"):
        return value if _OWN_PATH.fullmatch(value) or _INLINE_IMAGE.fullmatch(value) else None
    if (tag, name) == ("a", "href"):
        return None if value.strip().lower().startswith("data:") else value
    return value


def _lower_first_headings(state: "StateCore") -> None:
    """The page has its one first-level heading already."""
    for token in state.tokens:
        if token.tag == "h1":
            token.tag = "h2"


@cache
def _renderer() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # 3 MiB with nh3, which a web process needs only once somebody learns

    renderer = MarkdownIt("commonmark").enable("table")
    rule: Callable[[StateCore], None] = _lower_first_headings
    renderer.core.ruler.push("lower_first_headings", rule)
    return renderer
