"""PDF by WeasyPrint, in a child process with limits: fixed templates, values as data, nothing fetched."""

import base64
import json
import os
import resource
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import IO

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from core.errors import SpokesError

ROOT = Path(__file__).parent.parent
TIMEOUT_S = 60
CPU_S = 50
MEMORY_BYTES = 2 * 1024**3
MAX_DOCUMENTS = 50


class NotRendered(SpokesError):
    """The PDF could not be made just now."""

    status = 503


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(ROOT / "templates" / "pdf"), undefined=StrictUndefined, autoescape=True
    )


def page(template: str, **values: object) -> str:
    """The HTML of `templates/pdf/<template>.html` with `values` filled in, escaped."""
    return _environment().get_template(f"{template}.html").render(**values)


def render(*pages: str) -> list[bytes]:
    """One PDF per page of HTML (at most 50), in their order; raises NotRendered."""
    if len(pages) > MAX_DOCUMENTS:
        raise ValueError(f"at most {MAX_DOCUMENTS} documents at once")
    child = [sys.executable, "-m", "core.pdf"]
    try:
        done = subprocess.run(  # noqa: S603 - our own module, no input of a user among the words
            child,
            input=json.dumps(pages).encode(),
            capture_output=True,
            timeout=TIMEOUT_S,
            check=True,
            cwd=ROOT,
            # It starts no programs. With a path Python would start a compiler for each name a library has on other systems.
            env={**os.environ, "PATH": ""},
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        raise NotRendered from error
    return [base64.b64decode(each) for each in json.loads(done.stdout)]


def data_uri(media_type: str, content: bytes) -> str:
    """`content` as a data: address, the only kind that a PDF may load."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _render_here(source: IO[bytes], sink: IO[str]) -> None:
    """The child's work: a JSON list of HTML in, a JSON list of base64 PDFs out."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    from weasyprint import HTML  # slow to load, and only the child needs it
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import URLFetcher

    # WeasyPrint's default fetches addresses and embeds local files; ours knows data: only.
    fetcher, fonts = URLFetcher(allowed_protocols={"data"}, allow_redirects=False), FontConfiguration()
    made = [
        HTML(string=each, url_fetcher=fetcher).write_pdf(font_config=fonts, pdf_variant="pdf/ua-1")
        for each in json.load(source)
    ]
    json.dump([base64.b64encode(each).decode() for each in made], sink)


if __name__ == "__main__":
    _render_here(sys.stdin.buffer, sys.stdout)
