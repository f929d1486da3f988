"""Stored files: their bytes as they were, with their hash."""

import hashlib
import os

import pytest

from core.db import transaction
from core.errors import NotFound
from core.files import get_file, store

pytestmark = pytest.mark.usefixtures("settings")


@pytest.mark.parametrize(
    "content", [b"", b"\0\xff%PDF", os.urandom(300_000)], ids=["empty", "binary", "large"]
)
def test_file_comes_back_as_it_was_stored(content: bytes) -> None:
    with transaction():
        file_id = store("Zoë.pdf", "application/pdf", content).id
    with transaction(read_only=True):
        file = get_file(file_id)
    assert (file.name, file.media_type, file.content) == ("Zoë.pdf", "application/pdf", content)
    assert file.sha256 == hashlib.sha256(content).hexdigest()


def test_unknown_file_is_not_found() -> None:
    with transaction(read_only=True), pytest.raises(NotFound):
        get_file("../../etc/passwd")
