"""The conformance suite of dead letters: what `connectors.dead_letters.DeadLetters` promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from streamlearner.config.loading import load
from streamlearner.connectors.dead_letters import DeadLetters
from streamlearner.registry.dead_letters import DEAD_LETTERS
from streamlearner.stream import Message, Reject, Surroundings

FLUSH_S = 10.0


def reject(offset: int, **changed: Any) -> Reject:
    message = Message(b"\x00raw\xff", "t", 2, offset, key=b"k")
    return Reject(replace(message, **changed), "schema", "expected [1, 28, 28]")


class DeadLettersConformance:
    """One line of pytest: `TestMine = DeadLettersConformance.of("my_package.module:Mine", count=...)`.

    `count(state_dir)` tells how many rejects are durable in the place that they go to; settings are those of
    a configuration, dots as two underscores.
    """

    SETTINGS: ClassVar[Mapping[str, Any]]
    COUNT: ClassVar[Callable[[Path], int]]

    @classmethod
    def of(cls, part: str, *, count: Callable[[Path], int], **settings: Any) -> type[DeadLettersConformance]:
        """The suite for the dead letters of this name."""
        dotted = {name.replace("__", "."): value for name, value in settings.items()}
        named = {"dead_letters.type": part} | dotted
        return type(cls.__name__, (cls,), {"SETTINGS": named, "COUNT": staticmethod(count)})

    def make(self, folder: Path) -> DeadLetters:
        config = load(path=None, settings=self.SETTINGS, environ={})
        surroundings = Surroundings(state_dir=folder, kafka=config.source.settings_of("kafka"))
        kind: type[DeadLetters] = DEAD_LETTERS.find(config.dead_letters.type).load()
        return kind.build(config.dead_letters.settings_of(), surroundings)

    def test_what_was_flushed_is_durable(self, tmp_path: Path) -> None:
        letters = self.make(tmp_path)
        letters.write([reject(1), reject(2)])
        letters.write([])
        letters.write([reject(3)])
        letters.flush(FLUSH_S)
        assert type(self).COUNT(tmp_path) == 3
        letters.flush(FLUSH_S)
        assert type(self).COUNT(tmp_path) == 3
        letters.close()

    def test_a_restart_adds_to_what_was_there(self, tmp_path: Path) -> None:
        for first in (1, 4):
            letters = self.make(tmp_path)
            letters.write([reject(first), reject(first + 1)])
            letters.flush(FLUSH_S)
            letters.close()
        assert type(self).COUNT(tmp_path) == 4

    def test_any_message_is_taken(self, tmp_path: Path) -> None:
        letters = self.make(tmp_path)
        odd = [
            reject(1, value=None),
            reject(2, value=b"", key=None),
            reject(3, value=b"\x00" * 5_000_000),
            reject(4, headers=(("h", b"\xfe"), ("h", b"2"))),
            reject(5, topic="snow ☃"),
        ]
        letters.write(odd)
        letters.flush(FLUSH_S)
        assert type(self).COUNT(tmp_path) == len(odd)
        letters.close()

    def test_closing_twice_is_safe(self, tmp_path: Path) -> None:
        letters = self.make(tmp_path)
        letters.flush(FLUSH_S)
        letters.close()
        letters.close()
