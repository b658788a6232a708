"""What a life is lived in, by seed: settings, a stream, and what clients ask. All of it is the same in a calm
life and in a disturbed one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

import numpy as np

from streamlearner.config import loading
from streamlearner.config.loading import Config
from streamlearner.decoding.codec import encode_raw
from streamlearner.stream import Message
from tests.lives.method import CLASSES, FEATURES, MESSAGES, POISON, TinyMethod, no_network

WORLDS = 64
STATE_DIR = "/lives"


@dataclass(frozen=True, slots=True)
class World:
    """`kinds` says what each message is: new, again (an example sent twice, perhaps much later), garbage,
    tombstone, beyond (of a class too many), or erase (an example that was sent). `numbers` are those of the
    examples, which come out of order; in one world of four there is one that the method fails at. `requests`
    are what a client asks once so many messages were taken: to sleep, a checkpoint, to roll back to an
    earlier model version, or to revert to the present one as it was adopted."""

    number: int
    config: Config
    messages: Sequence[Message]
    kinds: Sequence[str]
    numbers: Sequence[int]
    requests: Mapping[int, str]


@cache
def world(number: int) -> World:
    """The same for the same number."""
    rng = Random(number)
    batch_size = rng.choice((10, 20, 25, 40, 40))
    kinds, numbers = _kinds(rng), _numbers(rng)
    boundaries = range(batch_size, MESSAGES, batch_size)
    asked = rng.sample(boundaries, rng.choice((0, 0, 1, 2, 3)))
    requests = {at: rng.choice(("sleep", "checkpoint", "rollback", "revert")) for at in asked}
    poison = rng.choice((None, None, None, rng.randrange(60, MESSAGES)))
    messages, numbers = _messages(rng, kinds, numbers, poison)
    return World(number, _config(rng, batch_size), messages, kinds, numbers, requests)


def _numbers(rng: Random) -> list[int]:
    """Delivered out of order, by a few places."""
    return sorted(range(MESSAGES), key=lambda n: n + (rng.uniform(0, 8) if n >= CLASSES else 0))


def _kinds(rng: Random) -> list[str]:
    """At first there is an example of each class, and none of them is erased before it is learned."""
    weights = {"new": 80, "again": 8, "garbage": 6, "tombstone": 2, "beyond": 4, "erase": 3}
    at_first = {name: weight for name, weight in weights.items() if name != "erase"}
    drawn = rng.choices(tuple(at_first), tuple(at_first.values()), k=40)
    drawn += rng.choices(tuple(weights), tuple(weights.values()), k=MESSAGES - len(drawn))
    return ["new"] * CLASSES + drawn[CLASSES:]


def _config(rng: Random, batch_size: int) -> Config:
    part = "tests.lives.method:{}"
    settings: dict[str, Any] = {
        "state_dir": STATE_DIR,
        "seed": rng.randrange(1_000),
        "precision": "fp32",
        "threads": 1,
        "method.name": part.format(TinyMethod.__name__),
        "network.name": part.format(no_network.__name__),
        "daemon.batch_size": batch_size,
        "daemon.poll_timeout_s": 0.1,
        "daemon.at_end": "exit",
        "limits.max_classes": CLASSES,
        "memory.sampling": rng.choice(("balanced", "reservoir")),
        "memory.budget_bits": rng.choice((200, 600, 1_000, 3_000)),
        "exam.budget_bits": rng.choice((500, 2_000)),
        "exam.fraction": rng.choice((0.0, 0.1, 0.3)),
        "evaluation.every_examples": 60,
        "evaluation.readout": False,
        "sleep.every_examples": rng.choice((30, 50, 80)),
        "sleep.first_examples": rng.choice((None, 10)),
        "sleep.min_examples": 10,
        "sleep.on_memory_full": rng.choice((False, True)),
        "sleep.steps": rng.choice((4, 10, 20)),
        "sleep.batch_size": 4,
        "sleep.steps_per_batch": rng.choice((0, 1, 2, 5)),
        "sleep.tolerance": rng.choice((0.0, 1.0)),
        "checkpoint.every_examples": rng.choice((20, 40, 60, 80, None)),
        "checkpoint.every_s": rng.choice((None, 0.5)),
        "checkpoint.keep": rng.choice((1, 2, 3)),
        "checkpoint.keep_versions": rng.choice((1, 2, 4)),
        "checkpoint.retry_s": 0.5,
        "serving.refresh_every_examples": 40,
    }
    return loading.load(path=None, settings=settings, environ={})


def _messages(
    rng: Random, kinds: Sequence[str], numbers: Sequence[int], poison: int | None
) -> tuple[list[Message], list[int]]:
    """And the numbers of the examples in them."""
    messages: list[Message] = []
    sent: list[int] = []
    found: list[int] = []
    for offset, kind in enumerate(kinds):
        number = rng.choice(sent) if kind in ("again", "erase") else numbers[offset]
        found.append(number)
        value, headers = _example(number, poisoned=number == poison)
        key = None
        if kind == "new":
            sent.append(number)
        elif kind == "garbage":
            value = b"no vector"
        elif kind == "beyond":
            headers = tuple((n, b"one too many" if n == "label" else v) for n, v in headers)
        elif kind == "erase":
            value, headers = None, (("erase", b"id"), ("id", f"example {number}".encode()))
        elif kind == "tombstone":
            value, headers, key = None, (), b"a key"
        messages.append(Message(value, "lives", 0, offset, key=key, headers=headers))
    return messages, found


def _example(number: int, *, poisoned: bool) -> tuple[bytes | None, tuple[tuple[str, bytes], ...]]:
    """Each class has a place of its own; its first examples come early, so that the classes are known. Later
    examples are of later classes, mostly."""
    label = number % CLASSES if number < 2 * CLASSES else number * CLASSES // MESSAGES
    draws = np.random.default_rng(number).normal(0, 0.5, FEATURES - 1)
    angle = 2 * np.pi * label / CLASSES
    vector = np.array([number, np.cos(angle) + draws[0], np.sin(angle) + draws[1]], np.float32)
    if poisoned:
        vector[1] = POISON
    return encode_raw(vector, label=f"class {label}", id=f"example {number}")
