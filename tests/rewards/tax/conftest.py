"""An advocate who can be paid."""

import pytest

from advocates.membership import Membership
from core.db import transaction
from tests.factories import Cast, make_advocate
from tests.rewards.stories import percent_rule, ready_account


@pytest.fixture
def ana(cast: Cast) -> Membership:
    with transaction():
        percent_rule(cast.programme)
        made = make_advocate(cast.programme)
        ready_account(made)
    return made
