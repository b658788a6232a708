#!/usr/bin/env bash
# torchdata: a stateful loader over part of a data set resumes in another order: some examples are lost, some come twice.
#
# Version: torchdata 0.11.0 with torch 2.13.0.
# Behaviour: `StatefulDataLoader` saves where an epoch stood. With `shuffle=True` it goes on exactly. With
#   `SubsetRandomSampler`, the usual way to train on one part of a data set and validate on the other, the restored
#   loader draws a new permutation, skips as many examples as had been seen of the old one, and goes on with what
#   comes then. A generator of the sampler's own, seeded alike in the new process, hides it in the first epoch, and in
#   no other. No error and no warning; the epoch has its full length.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   restarted after 30 of 100 examples of an epoch:
#     shuffle=True, epoch 1: 100 examples, 0 never, 0 twice
#     shuffle=True, epoch 2: 100 examples, 0 never, 0 twice
#     SubsetRandomSampler, epoch 1: 100 examples, 17 never, 17 twice
#     SubsetRandomSampler, epoch 2: 100 examples, 23 never, 23 twice
#     SubsetRandomSampler, seeded generator, epoch 1: 100 examples, 0 never, 0 twice
#     SubsetRandomSampler, seeded generator, epoch 2: 100 examples, 19 never, 19 twice
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torchdata==0.11.0 torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'EOF'
import warnings

import torch
from torch.utils.data import SubsetRandomSampler
from torchdata.stateful_dataloader import StatefulDataLoader

warnings.simplefilter("ignore", UserWarning)
COUNT, SIZE, SEEN = 100, 10, 3


def subset():
    return {"sampler": SubsetRandomSampler(range(COUNT))}


def seeded_subset():
    return {"sampler": SubsetRandomSampler(range(COUNT), generator=torch.Generator().manual_seed(7))}


def epoch_with_a_restart(options, epoch):
    def loader(seed):
        torch.manual_seed(seed)
        return StatefulDataLoader(range(COUNT), batch_size=SIZE, **options())

    before, examples = loader(0), []
    for _ in range(epoch - 1):
        list(before)
    for number, batch in enumerate(before, 1):
        examples += batch.tolist()
        if number == SEEN:
            state = before.state_dict()
            break
    after = loader(1)  # another process: nothing is carried over but the state
    after.load_state_dict(state)
    for batch in after:
        examples += batch.tolist()
    return len(examples), COUNT - len(set(examples)), len(examples) - len(set(examples))


kinds = {
    "shuffle=True": lambda: {"shuffle": True},
    "SubsetRandomSampler": subset,
    "SubsetRandomSampler, seeded generator": seeded_subset,
}
print(f"restarted after {SEEN * SIZE} of {COUNT} examples of an epoch:")
found = {}
for name, options in kinds.items():
    for epoch in (1, 2):
        length, never, twice = found[name, epoch] = epoch_with_a_restart(options, epoch)
        print(f"  {name}, epoch {epoch}: {length} examples, {never} never, {twice} twice")
exact = (100, 0, 0)
as_found = [outcome == exact for outcome in found.values()] == [True, True, False, False, True, False]
as_found = as_found and all(length == COUNT for length, _, _ in found.values())

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
