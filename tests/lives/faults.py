"""What can happen to a life, and when: a plan of faults, drawn by seed."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random


class Killed(BaseException):
    """The process is gone. No `except Exception` takes it for an error, and until the next start every call
    to the outside raises it again: nobody can tidy up."""


class Stuck(BaseException):
    """So many calls after the last fault, and the stream is not at its end."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: at the `at`th call of a seam, counted over the whole life from 0, for `length` calls.

    | kind | seam | what |
    | --- | --- | --- |
    | kill | any | the process ends; what it wrote stays |
    | cut | any | the power fails: what no sync has covered stays, is lost or torn, by `chance` |
    | operator | any | as kill; then someone rolls back to an earlier checkpoint, by `chance` |
    | full, broken | disk | calls fail with ENOSPC (those that need space), with EIO (all) |
    | flip | disk | a bit of a file that was kept changes, by `chance` |
    | away | poll | the source gives nothing and says that it is not connected |
    | refused | sink | dead letters cannot be made durable |
    | jump | clock | the time of day jumps by `chance` seconds; the monotonic clock, too, if it is forward |
    """

    kind: str
    seam: str
    at: int
    length: int = 1
    chance: int = 0


ERRORS = {"full": errno.ENOSPC, "broken": errno.EIO}
SEAMS = ("disk", "poll", "clock", "sink", "tell")
"""Calls to the outside: of the state folder, for messages, of clocks, of dead letters, and what the source is
told."""
KINDS = {
    "kill": 6, "cut": 8, "full": 3, "broken": 3, "flip": 4, "away": 1, "refused": 2, "jump": 1, "operator": 1,
}  # fmt: skip
"""With weights."""
DEADLY = ("kill", "cut", "operator")
ONLY_AT = {
    "full": "disk",
    "broken": "disk",
    "flip": "disk",
    "away": "poll",
    "refused": "sink",
    "jump": "clock",
}


def draw_plan(rng: Random, calls: Mapping[str, int]) -> tuple[Fault, ...]:
    """One to eight faults, mostly few; `calls` are those of a calm life by seam: a disturbed one has more."""
    count = min(8, 1 + int(rng.expovariate(0.5)))
    kinds = rng.choices(tuple(KINDS), weights=tuple(KINDS.values()), k=count)
    return tuple(sorted((_draw(rng, kind, calls) for kind in kinds), key=lambda fault: fault.at))


def _draw(rng: Random, kind: str, calls: Mapping[str, int]) -> Fault:
    seam = ONLY_AT.get(kind) or rng.choices(SEAMS, weights=(8, 2, 3, 2, 1))[0]
    at = int(rng.random() * 1.2 * calls.get(seam, 0))
    length = rng.choice((1, 1, 2, 5, 30)) if kind in ("full", "broken", "away", "refused") else 1
    if kind == "jump":
        return Fault(kind, seam, at, chance=rng.choice((-86_400, -60, 60, 3_600, 86_400)))
    return Fault(kind, seam, at, length, rng.randrange(1 << 30))
