"""What the tests of payments share."""

import pytest

from domain.usecases.tests.payment_world import World


@pytest.fixture
def world() -> World:
    return World()
