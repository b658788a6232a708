"""`python -m tests.lives --lives 2000`: simulated lives, and of those that break a promise the shortest
plan of faults that does so. `--mutants`: how many lives it takes to catch deliberate mistakes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

from tests.lives.many import alone, lived
from tests.lives.mutants import MUTANTS, lives_until_caught
from tests.lives.simulation import Violation

EVERY_S = 30.0
"""Between two lines about how far it is."""
CHUNK = 16
"""Lives that a worker is given at a time."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.lives", description=__doc__)
    parser.add_argument("--lives", type=int, default=2_000)
    parser.add_argument("--first", type=int, default=0, help="the seed of the first life")
    parser.add_argument("--violations", type=int, default=1, help="ends after so many")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--mutants", action="store_true", help="lives until each deliberate mistake shows")
    asked = parser.parse_args()
    alone()
    if asked.mutants:
        return mutants(asked.lives)
    chunks = [
        range(first, min(first + CHUNK, asked.first + asked.lives))
        for first in range(asked.first, asked.first + asked.lives, CHUNK)
    ]
    return report(lived(chunks, asked.workers), most=asked.violations)


def report(lives: Iterator[tuple[int, list[Violation]]], *, most: int) -> int:
    """A line now and then, and the shortest plan of each violation: 1 where there was one."""
    began_s = told_s = time.monotonic()
    done, found = 0, 0
    for count, violations in lives:
        done, found = done + count, found + len(violations)
        for broken in violations:
            print(f"seed {broken.seed}, world {broken.world}: {broken.what}\nshortest plan:")
            print("".join(f"    {fault},\n" for fault in broken.plan), end="", flush=True)
        if found >= most:
            break
        if time.monotonic() - told_s > EVERY_S:
            told_s = time.monotonic()
            rate = 60 * done / (told_s - began_s)
            print(f"{done} lives, {found} violations, {rate:,.0f} a minute", flush=True)
    print(f"{done} lives in {(time.monotonic() - began_s) / 60:.1f} minutes, {found} violations")
    return int(found > 0)


def mutants(most: int) -> int:
    """A line for each: 1 where one was not caught."""
    missed = 0
    for name in MUTANTS:
        began_s = time.monotonic()
        needed = lives_until_caught(name, most=most)
        missed += needed is None
        print(f"{name:55} {needed or 'not caught'} ({time.monotonic() - began_s:.0f} s)", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
