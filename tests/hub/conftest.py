"""What tests of webhooks stand on."""

import time
from collections.abc import Iterator

import pytest

from core.settings import Settings
from hub import webhook_sender


@pytest.fixture
def patient(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A run waits for its threads however busy the machine is, and none of them reaches into the next test's database."""
    monkeypatch.setattr(webhook_sender, "PATIENCE_S", 30)
    yield
    until = time.monotonic() + 30
    while webhook_sender._lines._busy and time.monotonic() < until:  # noqa: SLF001 - nobody else asks
        time.sleep(0.01)
