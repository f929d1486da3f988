"""PDF, really rendered: tagged, nothing fetched, limits in the child."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from jinja2 import UndefinedError
from pypdf import PdfReader

from core import pdf
from core.pdf import MAX_DOCUMENTS, NotRendered, data_uri, page, render

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d494844520000000100000001080600000" "01f15c4890000000d49444154789c6360f8cf500f00038101804b34f8e0"
    "0000000049454e44ae426082"
)  # fmt: skip


def document(body: str, head: str = "") -> str:
    return f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Certificate</title>{head}</head><body>{body}</body></html>'


def read(raw: bytes) -> PdfReader:
    assert raw.startswith(b"%PDF-")
    return PdfReader(io.BytesIO(raw))


@pytest.fixture(scope="module")
def visited() -> Iterator[list[str]]:
    """The requests that reached a server of ours; its address is the first entry, taken out by the test."""
    seen: list[str] = []

    class Notes(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(200)
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Notes)
    Thread(target=server.serve_forever, daemon=True).start()
    seen.append(f"http://127.0.0.1:{server.server_port}")
    yield seen
    server.shutdown()
    server.server_close()


def test_several_documents_are_rendered_in_their_order_tagged_and_with_their_text() -> None:
    made = [read(each) for each in render(document("<h1>Zoë 1</h1><p>First</p>"), document("<h1>Zoë 2</h1>"))]
    assert ["Zoë 1" in made[0].pages[0].extract_text(), "Zoë 2" in made[1].pages[0].extract_text()] == [
        True,
        True,
    ]
    for each in made:
        root: Any = each.root_object
        assert "/StructTreeRoot" in root
        assert (str(root["/MarkInfo"]["/Marked"]), root["/Lang"]) == ("True", "en")
        assert b"pdfuaid" in root["/Metadata"].get_data()


def test_image_as_data_is_shown() -> None:
    [made] = render(document(f'<img alt="A dot" src="{data_uri("image/png", PIXEL)}">'))
    assert len(read(made).pages[0].images) == 1


def test_nothing_is_fetched_and_no_local_file_gets_in(visited: list[str], tmp_path: Path) -> None:
    web = visited.pop(0)
    (tmp_path / "secret.png").write_bytes(PIXEL)
    (tmp_path / "secret.txt").write_text("the secret of this machine")
    inner = f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="{web}/inner.png"/><image href="file://{tmp_path}/secret.png"/></svg>'
    head = (
        f'<link rel="stylesheet" href="{web}/style.css"><link rel="attachment" href="file://{tmp_path}/secret.txt">'
        f'<base href="file://{tmp_path}/"><style>@import "{web}/import.css"; @font-face {{ font-family: x; src: url("{web}/font.woff") }}'
        f'body {{ font-family: x; background: url("{web}/back.png") }} li {{ list-style-image: url("file://{tmp_path}/secret.png") }}</style>'
    )
    body = (
        f'<p>shown all the same</p><ul><li>x</li></ul><img alt="a" src="{web}/image.png"><img alt="b" src="file://{tmp_path}/secret.png">'
        f'<img alt="c" src="secret.png"><img alt="d" src="//{web[7:]}/image.png"><img alt="e" src="ftp://127.0.0.1/x.png">'
        f'<object data="{web}/object.svg"></object><embed src="{web}/embed.svg"><img alt="f" src="{data_uri("image/svg+xml", inner.encode())}">'
        f'<a rel="attachment" href="file://{tmp_path}/secret.txt">file</a>'
    )
    [made] = render(document(body, head))
    reader = read(made)
    assert "shown all the same" in reader.pages[0].extract_text()
    assert visited == []
    assert len(reader.pages[0].images) == 0
    assert dict(reader.attachments) == {}
    assert b"the secret of this machine" not in made


def test_values_are_text_in_the_page_and_missing_ones_are_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "templates" / "pdf").mkdir(parents=True)
    (tmp_path / "templates" / "pdf" / "letter.html").write_text("<p>{{ name }}</p>")
    monkeypatch.setattr(pdf, "ROOT", tmp_path)
    pdf._environment.cache_clear()  # noqa: SLF001 - the templates' cache is the module's own
    assert page("letter", name="<script>&") == "<p>&lt;script&gt;&amp;</p>"
    with pytest.raises(UndefinedError):
        page("letter")
    pdf._environment.cache_clear()  # noqa: SLF001 - as above


def test_child_starts_no_program_to_look_for_its_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gcc", "cc", "ld"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n: > {tmp_path}/started\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert len(render(document("x"))) == 1
    assert not (tmp_path / "started").exists()


def test_too_many_documents_are_refused_before_a_child_is_born() -> None:
    with pytest.raises(ValueError, match="at most 50"):
        render(*[document("x")] * (MAX_DOCUMENTS + 1))


ENDLESS = document("<table>" + "<tr><td><table><tr><td>x</table></td></tr>" * 20_000 + "</table>")


def test_child_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "TIMEOUT_S", 1)
    began = time.monotonic()
    with pytest.raises(NotRendered) as refused:
        render(ENDLESS)
    assert time.monotonic() - began < 15
    assert refused.value.status == 503


VAST = document("x" * 50_000_000)


@pytest.mark.parametrize(("limit", "wanted", "ended"), [("CPU_S = 1", ENDLESS * 4, -9), ("MEMORY_BYTES = 190 * 1024**2", VAST, 1)], ids=["time", "memory"])  # fmt: skip
def test_child_limits_itself(limit: str, wanted: str, ended: int) -> None:
    child = f"import sys; from core import pdf; pdf.{limit}; pdf._render_here(sys.stdin.buffer, sys.stdout)"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", child], input=json.dumps([wanted]).encode(), capture_output=True, check=False, timeout=40,
        cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert done.returncode == ended, done.stderr[-500:]
    assert done.stdout == b""
    if ended == 1:
        assert b"MemoryError" in done.stderr
