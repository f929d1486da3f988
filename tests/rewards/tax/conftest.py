"""An advocate who can be paid."""

import pytest

from advocates.membership import Membership
from tests.factories import Cast
from tests.rewards.stories import ready_advocate


@pytest.fixture
def ana(cast: Cast) -> Membership:
    return ready_advocate(cast.programme)
