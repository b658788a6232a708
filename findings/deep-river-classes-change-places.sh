#!/usr/bin/env bash
# deep-river: a new class whose name sorts before the others takes over what the network learned for them.
#
# Version: deep-river 0.3.4 with River 0.25.0 and torch 2.5.1 (pytest 9.2.0: the package imports it without asking for
#   it). Installs the whole of torch: minutes.
# Behaviour: output i of the network stands for the i-th class in sorted order, whatever order the classes were met
#   in. A classifier that knows cat and dog with 0.98 learns one example of "ant": now ant is output 0. The cat it was
#   sure of is an ant with the same 0.98, every dog a cat, and all that was learned must be unlearned. New classes
#   that sort last do no harm, so a test with labels 0, 1, 2 in order does not see it.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   a cat and a dog are ['cat', 'dog']; after one example of zebra: ['cat', 'dog']
#   a cat and a dog are ['cat', 'dog']; after one example of ant: ['ant', 'cat']
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check deep-river==0.3.4 river==0.25.0 torch==2.5.1 \
  pytest==9.2.0 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'EOF'
import torch
from deep_river.classification import Classifier


def after_new(name):
    torch.manual_seed(0)
    model = Classifier(
        torch.nn.Sequential(torch.nn.Linear(2, 3)),
        loss_fn="cross_entropy",
        optimizer_fn="sgd",
        lr=0.5,
        output_is_logit=True,
        is_class_incremental=True,
    )
    cat, dog = {"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0}
    for _ in range(50):
        model.learn_one(cat, "cat")
        model.learn_one(dog, "dog")
    before = [model.predict_one(cat), model.predict_one(dog)]
    model.learn_one({"a": -1.0, "b": -1.0}, name)
    return before, [model.predict_one(cat), model.predict_one(dog)]


found = {name: after_new(name) for name in ("zebra", "ant")}
for name, (before, after) in found.items():
    print(f"a cat and a dog are {before}; after one example of {name}: {after}")
as_found = found["zebra"] == (["cat", "dog"], ["cat", "dog"]) and found["ant"] == (["cat", "dog"], ["ant", "cat"])

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
