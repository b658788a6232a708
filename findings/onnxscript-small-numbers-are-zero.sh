#!/usr/bin/env bash
# torch.onnx.export: adding 1e-9 in float64 is left out of the ONNX file, and what is rounded next comes out otherwise.
#
# Version: torch 2.13.0 with onnx 1.23.2, onnxscript 0.7.2 and onnxruntime 1.32.0. Installs the whole of torch: minutes.
# Behaviour: The optimizer that torch.onnx.export runs (`optimize=True`, the default) takes a constant within 1e-8 of 0
#   for 0 and removes its addition, in float64 as in float32. A small number that is added so that halves round up is
#   gone: 0.5 becomes 0 in the file and 1 in torch. With `optimize=False`, or with 0.5 + 1e-9 added before `floor`, the
#   file answers as torch does.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   halves, rounded:             0.5 1.5 2.5
#     torch:                     1.0 2.0 3.0
#     ONNX:                      0.0 2.0 2.0   (Round)
#     ONNX, not optimised:       1.0 2.0 3.0   (Add Round)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 \
  onnxruntime==1.32.0 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'EOF'
import logging
import warnings

import onnxruntime
import torch

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
HALVES = torch.tensor([0.5, 1.5, 2.5], dtype=torch.float64)


class Rounded(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("tie", torch.tensor(1e-9, dtype=torch.float64))

    def forward(self, x):
        return (x + self.tie).round()


def in_onnx(optimize):
    made = torch.onnx.export(Rounded(), (HALVES,), dynamo=True, verbose=False, optimize=optimize).model_proto
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: HALVES.numpy()})
    return found.tolist(), [node.op_type for node in made.graph.node]


torchs = Rounded()(HALVES).tolist()
(optimised, left), (plain, all_of_them) = in_onnx(True), in_onnx(False)
print("halves, rounded:            ", *HALVES.tolist())
print("  torch:                    ", *torchs)
print("  ONNX:                     ", *optimised, f"  ({' '.join(left)})")
print("  ONNX, not optimised:      ", *plain, f"  ({' '.join(all_of_them)})")
as_found = torchs == plain == [1.0, 2.0, 3.0] and optimised == [0.0, 2.0, 2.0] and "Add" not in left

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
