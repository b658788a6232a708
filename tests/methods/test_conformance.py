"""Every method that is shipped keeps the promises of a method."""

from __future__ import annotations

import pytest

from streamlearner.testing import MethodConformance
from streamlearner.testing.streams import Subject
from tests.support.arms import ARMS, SUBJECTS


class TestMethods(MethodConformance):
    @pytest.fixture(params=ARMS)
    def subject(self, request: pytest.FixtureRequest) -> Subject:
        return SUBJECTS[request.param]
