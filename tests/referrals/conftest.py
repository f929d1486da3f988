from collections.abc import Iterator

import pytest

from core.settings import Settings
from tests.referrals.stories import Visitors


@pytest.fixture
def visitors(settings: Settings) -> Iterator[Visitors]:
    """Visitors of share links."""
    came = Visitors(settings)
    yield came
    came.leave()
