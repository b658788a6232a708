"""`python -m tests.lives --lives 2000 --first 0`: simulated lives, and what they did not keep."""

from __future__ import annotations

import argparse
import logging
import time

import torch

from tests.lives.simulation import violation

EVERY_S = 30.0
"""Between two lines about how far it is."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.lives", description=__doc__)
    parser.add_argument("--lives", type=int, default=2_000)
    parser.add_argument("--first", type=int, default=0, help="the seed of the first life")
    parser.add_argument("--violations", type=int, default=1, help="ends after so many")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.CRITICAL)
    began_s = told_s = time.monotonic()
    found = 0
    for lived, seed in enumerate(range(asked.first, asked.first + asked.lives), 1):
        if (broken := violation(seed)) is not None:
            found += 1
            print(f"seed {seed}, world {broken.world}: {broken.what}\nshortest plan:")
            for fault in broken.plan:
                print(f"    {fault},")
            if found >= asked.violations:
                break
        if time.monotonic() - told_s > EVERY_S:
            told_s = time.monotonic()
            print(
                f"{lived} lives, {found} violations, {60 * lived / (told_s - began_s):,.0f} a minute",
                flush=True,
            )
    seconds = time.monotonic() - began_s
    print(f"{lived} lives in {seconds / 60:.1f} minutes, {found} violations")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
