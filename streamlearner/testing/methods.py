"""The conformance suite of methods: what `methods.base.DualMemory` promises, whatever its name."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from streamlearner.testing.method_learning import LearningPromises
from streamlearner.testing.method_memory import MemoryPromises
from streamlearner.testing.method_state import StatePromises
from streamlearner.testing.method_transplants import TransplantPromises
from streamlearner.testing.streams import Subject
from streamlearner.testing.threads import OneThread


class MethodConformance(OneThread, LearningPromises, MemoryPromises, StatePromises, TransplantPromises):
    """One line of pytest: `TestMine = MethodConformance.of("my_package.module:Mine")`.

    `settings` are those of a configuration with which small streams are learned in a second or two, dots as
    two underscores: `method__mine__weight=0.5`. Accuracy is asked for after 40 to 80 batches.
    """

    SUBJECT: ClassVar[Subject]

    @classmethod
    def of(cls, part: str, *, keeps_raw_inputs: bool = False, **settings: Any) -> type[MethodConformance]:
        """The suite for the method of this name. `keeps_raw_inputs`: it stores them, and says so."""
        dotted = {name.replace("__", "."): value for name, value in settings.items()}
        subject = Subject({"method.name": part} | dotted, keeps_raw_inputs=keeps_raw_inputs)
        return type(cls.__name__, (cls,), {"SUBJECT": subject})

    @pytest.fixture
    def subject(self) -> Subject:
        return self.SUBJECT
