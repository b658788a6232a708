"""`python -m tests.lives --lives 2000`: simulated lives, and of those that break a promise the shortest
plan of faults that does so. `--mutants`: how many lives it takes to catch deliberate mistakes."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

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
    parser.add_argument("--log", type=Path, help="a file of what was lived, from which a stopped run goes on")
    parser.add_argument("--mutants", action="store_true", help="lives until each deliberate mistake shows")
    asked = parser.parse_args()
    alone()
    if asked.mutants:
        return mutants(asked.lives)
    try:
        log = Log(asked.log, asked.first)
    except ValueError as error:
        parser.error(str(error))
    begin, end = asked.first + log.lives, asked.first + asked.lives
    chunks = [range(first, min(first + CHUNK, end)) for first in range(begin, end, CHUNK)]
    return report(lived(chunks, asked.workers), log, most=asked.violations)


class Log:
    """What a run has lived, over all the times that it was begun: a line of JSON every half minute: its
    first seed, how many lives, the violations' plans in words, and the minutes that they took."""

    def __init__(self, path: Path | None, first: int) -> None:
        """Raises ValueError where the log is of a run from another first seed."""
        self._path = path
        lines = path.read_text().splitlines() if path is not None and path.exists() else []
        before = [json.loads(line) for line in lines]
        if before and before[0]["first"] != first:
            raise ValueError(
                f"{path} is of lives from seed {before[0]['first']}, not {first}: give it, or another --log"
            )
        self.first = first
        self.lives: int = sum(line["lives"] for line in before)
        self.violations: int = sum(len(line["violations"]) for line in before)
        self.minutes: float = sum(line["minutes"] for line in before)

    def add(self, lives: int, violations: list[str], minutes: float) -> None:
        line = {"first": self.first + self.lives, "lives": lives, "violations": violations}
        line["minutes"] = round(minutes, 3)
        self.lives, self.violations = self.lives + lives, self.violations + len(violations)
        self.minutes += minutes
        if self._path is not None and lives:
            with self._path.open("a") as file:
                file.write(json.dumps(line) + "\n")


def report(lives: Iterator[tuple[int, list[Violation]]], log: Log, *, most: int) -> int:
    """A line now and then, and the shortest plan of each violation: 1 where there was one."""
    told_s, done, found = time.monotonic(), 0, list[str]()
    for count, violations in lives:
        done += count
        for broken in violations:
            plan = "".join(f"    {fault},\n" for fault in broken.plan)
            found.append(f"seed {broken.seed}, world {broken.world}: {broken.what}\nshortest plan:\n{plan}")
            print(found[-1], end="", flush=True)
        if log.violations + len(found) >= most:
            break
        if (since_s := time.monotonic() - told_s) > EVERY_S:
            log.add(done, found, since_s / 60)
            told_s, done, found = time.monotonic(), 0, []
            rate = log.lives / log.minutes
            print(f"{log.lives} lives, {log.violations} violations, {rate:,.0f} a minute", flush=True)
    log.add(done, found, (time.monotonic() - told_s) / 60)
    print(f"{log.lives} lives in {log.minutes:.1f} minutes, {log.violations} violations")
    return int(log.violations > 0)


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
