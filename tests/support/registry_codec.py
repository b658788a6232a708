"""A codec that asks a registry, on a clock that only sleep moves."""

from __future__ import annotations

from typing import Any

from streamlearner.app.codec import make_codec
from streamlearner.app.machine import Machine
from streamlearner.config.given import load_config
from streamlearner.decoding.codec import Codec
from streamlearner.stream import Message
from tests.support.mock_registry import MockRegistry

FIELDS = {"codec.fields.input": "readings", "codec.fields.label": "state", "codec.fields.id": "serial"}


class Time:
    """A clock that only sleep moves."""

    def __init__(self) -> None:
        self.now_s, self.slept = 0.0, 0

    def sleep(self, seconds: float) -> None:
        self.now_s, self.slept = self.now_s + seconds, self.slept + 1


def codec_of(registry: MockRegistry, time: Time | None = None, **settings: Any) -> Codec:
    time = time or Time()
    named = {f"schema_registry.{name}": value for name, value in settings.items()}
    config = load_config({"schema_registry.url": registry.url, **FIELDS, **named})
    return make_codec(config, machine=Machine(clock=lambda: time.now_s, sleep=time.sleep))


def reasons(codec: Codec, *messages: Message) -> list[str]:
    return [reject.reason for reject in codec.decode(messages)[1]]
