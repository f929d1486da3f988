"""Nothing that people write in lessons and questions can run, load or imitate anything."""

import pytest

from curriculum.markdown import render_markdown, render_rich
from curriculum.questions import RichText

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src='https://evil.example/pixel.png'>",
    "<img src='//evil.example/pixel.png'>",
    "<img src='data:image/svg+xml;base64,PHN2Zz4='>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='JaVaScRiPt:alert(1)'>x</a>",
    "<a href='data:text/html,x'>x</a>",
    "[x](javascript:alert(1))",
    "[x](data:text/html;base64,eA==)",
    "![x](javascript:alert(1))",
    "![x](https://evil.example/p.png)",
    "<svg onload=alert(1)>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<iframe src='https://evil.example'></iframe>",
    "<form action='/console'><input name=a><button>x</button></form>",
    "<p style='position:fixed'>x</p>",
    "<p class='btn' id='main' data-x='1'>x</p>",
    "<base href='https://evil.example/'>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<object data='x'></object><embed src='x'>",
    "<div hx-get='/console' hx-trigger='load'>x</div>",
    "<video src='https://evil.example/x.mp4' autoplay></video>",
    "<!--<img src=x onerror=alert(1)>-->",
    "</textarea><noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
]
FORBIDDEN = [
    "<script",
    "onerror=",
    "onload=",
    "evil.example",
    "javascript:",
    "svg+xml",
    "<iframe",
    "<form",
    "<input",
    "<button",
    "style=",
    "class=",
    "id=",
    "data-x",
    "hx-get",
    "<object",
    "<embed",
    "<video",
    "<base",
    "<meta",
    "data:text",
    "<style",
    "<svg",
    "<math",
]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("text_format", ["markdown", "html", "moodle"])
def test_nothing_active_survives(attack: str, text_format: str) -> None:
    html = render_rich(RichText.model_validate({"text": attack, "format": text_format})).lower()
    tags = [part.split(">")[0] for part in html.split("<")[1:]]
    assert not [bad for bad in FORBIDDEN for tag in tags if bad in f"<{tag}"]
    page = render_markdown(attack).lower()
    assert not [bad for bad in FORBIDDEN for tag in page.split("<")[1:] if bad in f"<{tag.split('>')[0]}"]


def test_markdown_keeps_what_a_lesson_needs() -> None:
    html = render_markdown(
        '# One\n\n## Two\n\nA *word*, **two**, [a link](https://example.org), ![a picture](/files/a.png "T")\n\n'
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n1. x\n\n> said\n\n```\ncode\n```\n"
    )
    assert "<h1>" not in html
    assert html.count("<h2>") == 2
    assert '<a href="https://example.org" rel="noopener nofollow">a link</a>' in html
    assert '<img src="/files/a.png" alt="a picture" title="T">' in html
    for tag in ("<em>", "<strong>", "<table>", "<th>", "<td>", "<ol>", "<blockquote>", "<pre><code>"):
        assert tag in html


def test_image_inside_the_text_is_kept() -> None:
    assert 'src="data:image/png;base64,AAAA"' in render_markdown("![x](data:image/png;base64,AAAA)")


def test_each_format_is_shown_as_its_author_meant() -> None:
    def html(text: str, text_format: str) -> str:
        return str(render_rich(RichText.model_validate({"text": text, "format": text_format})))

    assert html("a <b>\nc", "plain") == "a &lt;b&gt;<br>\nc"
    assert html("a <b>b</b>\nc", "moodle") == "a <b>b</b><br>\nc"
    assert html("a *b*", "markdown") == "a <em>b</em>"
    assert html("a\n\nb", "markdown") == "<p>a</p>\n<p>b</p>"
    assert html("<p>a</p>", "html") == "a"
    assert html("<p>a</p><p>b</p>", "html") == "<p>a</p><p>b</p>"
