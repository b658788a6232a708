"""Lives by seed: a plan of faults for each, what is wrong with how it ended, and the shortest plan that shows
it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from tests.lives.faults import Fault, draw_plan
from tests.lives.life import CALM_LIMIT, Ending, Life
from tests.lives.promises import differences
from tests.lives.worlds import WORLDS, world


@dataclass(frozen=True, slots=True)
class Violation:
    """What a life did not keep, and the faults that show it."""

    seed: int
    world: int
    plan: tuple[Fault, ...]
    what: str


class CalmBroken(Exception):
    """An undisturbed life breaks a promise."""


@cache
def calm(number: int) -> Ending:
    """The undisturbed life of this world."""
    ending = Life(world(number), (), seed=0, limit=CALM_LIMIT).live()
    if ending.broken is not None:
        raise CalmBroken(f"world {number}, undisturbed: {ending.broken}")
    return ending


def plan_of(seed: int) -> tuple[int, tuple[Fault, ...]]:
    """The world and the faults of a life."""
    number = seed % WORLDS
    return number, draw_plan(Random(seed), calm(number).calls)


def live(number: int, plan: Sequence[Fault], seed: int) -> tuple[str | None, Ending]:
    """What is wrong with the life of this plan; None where all promises were kept."""
    undisturbed = calm(number)
    ending = Life(world(number), plan, seed=seed, limit=2 * undisturbed.total + 2_000).live()
    return ending.broken or _unlike(ending, undisturbed), ending


def _unlike(ending: Ending, undisturbed: Ending) -> str | None:
    assert ending.checkpoint is not None and undisturbed.checkpoint is not None
    if ending.damaged and ending.rolled != undisturbed.rolled:  # a version could not be read, or is gone
        return None
    if ending.letters != undisturbed.letters:  # killed again and again at one batch, it sets that aside
        return None
    differing = differences(ending.checkpoint, undisturbed.checkpoint, numbers=not ending.damaged)
    if differing:
        return f"it ends unlike the undisturbed life: {', '.join(differing)}"
    if not ending.damaged:
        for name in ending.names.keys() & undisturbed.names.keys():
            if ending.names[name] != undisturbed.names[name]:
                return f"version {name} names other weights than in the undisturbed life"
    return None


def violation(seed: int) -> Violation | None:
    """That of the life of this seed, with the shortest plan that still shows one."""
    number, plan = plan_of(seed)
    what, _ = live(number, plan, seed)
    if what is None:
        return None
    return shortest(Violation(seed, number, plan, what))


def shortest(found: Violation) -> Violation:
    """Leaves out fault after fault, as long as something is still wrong."""
    for fault in found.plan:
        fewer = tuple(one for one in found.plan if one is not fault)
        what, _ = live(found.world, fewer, found.seed)
        if what is not None:
            return shortest(Violation(found.seed, found.world, fewer, what))
    return found
