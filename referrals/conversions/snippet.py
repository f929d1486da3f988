"""The script for shops: one file at an address that stays, small, and the same for everybody."""

import hashlib
import re
from functools import cache
from pathlib import Path

FILE = Path(__file__).parents[2] / "static" / "snippet.js"
MOST_BYTES = 2_000
KEPT_S = 3_600
_REMARK = re.compile(rb" // .*")


@cache
def snippet() -> tuple[bytes, str]:
    """What is delivered, without indentation and remarks, and the tag that says whether it changed."""
    content = b"\n".join(_REMARK.sub(b"", line).strip() for line in FILE.read_bytes().splitlines())
    return content, hashlib.sha256(content).hexdigest()[:16]
