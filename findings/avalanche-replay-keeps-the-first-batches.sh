#!/usr/bin/env bash
# Avalanche: a replay memory of 20 places, full since batch 20 of 60, holds one example each of the first 20 batches.
#
# Version: avalanche-lib 0.6.0 with torch 2.14.1 and torchvision 0.29.1 (wandb 0.23.1, which it imports). Installs the
#   whole of torch: minutes.
# Behaviour: ReplayPlugin's default memory divides its places over experiences. In an online stream
#   (`split_online_stream`) every mini-batch is an experience. Once there are more of them than places each share is
#   one example or none, and the shares of the first are the ones that are not none: nothing that comes later is ever
#   kept, while the memory looks full. A ReservoirSamplingBuffer as storage policy keeps an even sample.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   batches that the memory holds an example of, after 60:
#     default:   0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19
#     reservoir: 8 8 13 20 20 22 23 34 36 37 38 41 44 48 48 49 53 53 54 55
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check avalanche-lib==0.6.0 torch==2.14.1 \
  torchvision==0.29.1 wandb==0.23.1 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'EOF'
import warnings

import torch
from avalanche.benchmarks import benchmark_from_datasets, split_online_stream
from avalanche.benchmarks.utils import as_classification_dataset
from avalanche.training.plugins import EvaluationPlugin, ReplayPlugin
from avalanche.training.storage_policy import ReservoirSamplingBuffer
from avalanche.training.supervised import Naive

warnings.simplefilter("ignore")
BATCHES, SIZE, PLACES = 60, 10, 20


class Numbers(torch.utils.data.Dataset):
    targets = [number % 2 for number in range(BATCHES * SIZE)]

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, number):
        return torch.tensor([float(number)]), self.targets[number]


def batches_held(policy):
    torch.manual_seed(0)
    benchmark = benchmark_from_datasets(train=[as_classification_dataset(Numbers())])
    stream = split_online_stream(
        benchmark.train_stream, experience_size=SIZE, shuffle=False, access_task_boundaries=False
    )
    network = torch.nn.Linear(1, 2)
    replay = ReplayPlugin(mem_size=PLACES, storage_policy=policy)
    strategy = Naive(
        model=network,
        optimizer=torch.optim.SGD(network.parameters(), 1e-9),
        train_mb_size=SIZE,
        plugins=[replay],
        evaluator=EvaluationPlugin(),
    )
    for experience in stream:
        strategy.train(experience)
    return sorted(int(example[0]) // SIZE for example in replay.storage_policy.buffer)


default, reservoir = batches_held(None), batches_held(ReservoirSamplingBuffer(PLACES))
print(f"batches that the memory holds an example of, after {BATCHES}:")
print("  default:  ", *default)
print("  reservoir:", *reservoir)
as_found = default == list(range(PLACES)) and reservoir[-1] >= BATCHES // 2

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
