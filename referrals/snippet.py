"""The script for shops: one file at an address that stays, small, and the same for everybody."""

import hashlib
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent.parent / "static" / "snippet.js"
MOST_BYTES = 2_048
KEPT_S = 3_600


@cache
def snippet() -> tuple[bytes, str]:
    """What is delivered, and the tag that says whether it changed."""
    content = FILE.read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:16]
