"""The cast of these tests, with something to learn: whoever is accepted is enrolled at once."""

import pytest

from core.db import transaction
from tests.curriculum.stories import make_release
from tests.factories import Cast


@pytest.fixture
def cast(cast: Cast) -> Cast:
    """The cast, in an organisation that has published its certification."""
    with transaction():
        make_release(cast)
    return cast
