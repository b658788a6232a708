#!/usr/bin/env bash
# torch: seeding walks the whole call stack and formats it as text, also where there is no GPU.
#
# Version: torch 2.13.0, the build for CPUs alone.
# Behaviour: `torch.manual_seed` leaves a note for the day when CUDA is initialised, each time with the formatted stack
#   of its caller. So its cost grows with the depth of the calls above it: a hundred times that of seeding a
#   `torch.Generator`, and a thousand times from deep inside a framework. `fork_rng` with a seed in it, which is how a
#   network is drawn from a seed of its own, is as slow; a loop that seeds each step notices.
# Seen (Python 3.11, Linux x86-64, November 2026; calls of Python functions within one call, counted by a profiler):
#   Generator.manual_seed, at the top and 200 calls deep: 0 and 0
#   torch.manual_seed: 364 and 6,364
#   calls for each frame above: 30
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'EOF'
import sys

import torch

assert not torch.cuda.is_available(), "try it where there is no GPU"
generator = torch.Generator()


def calls_of(work):
    """Calls of Python functions that one call of `work` makes, once all is cached."""
    work()
    seen = []
    sys.setprofile(lambda frame, event, argument: seen.append(frame) if event == "call" else None)
    work()
    sys.setprofile(None)
    return len(seen) - 1  # without that of `work` itself


def at_depth(depth, work):
    return calls_of(work) if depth == 0 else at_depth(depth - 1, work)


alone = [at_depth(depth, lambda: generator.manual_seed(0)) for depth in (0, 200)]
all_of_torch = [at_depth(depth, lambda: torch.manual_seed(0)) for depth in (0, 200)]
print("Generator.manual_seed, at the top and 200 calls deep:", *alone)
print("torch.manual_seed:", *all_of_torch)
grows = (all_of_torch[1] - all_of_torch[0]) / 200
print("calls for each frame above:", round(grows))
as_found = alone == [0, 0] and grows >= 5
print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
