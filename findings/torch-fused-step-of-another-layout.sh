#!/usr/bin/env bash
# torch: a fused optimiser on the CPU takes a gradient of another memory layout value by value, and moves other weights.
#
# Version: torch 2.13.0 on a CPU; Adam, AdamW, SGD and Adagrad.
# Behaviour: `backward()` lays a gradient out as its parameter, but `torch.autograd.grad` hands out the layout that the
#   operator left it in: of a convolution over `channels_last` pictures a `channels_last` one, although the weight is
#   contiguous. Assigned to `.grad`, such a gradient is right for every optimiser with `fused=False`, whatever its
#   strides. With `fused=True` each number of it is applied to the weight that lies at the same place in memory, which
#   is another one. Nothing warns; the loss only falls more slowly. `.contiguous()` before the assignment mends it.
# Seen (Python 3.11, Linux x86-64, November 2026): the largest difference between fused and not, after one step of 0.1
#   strides of the weight (27, 9, 3, 1), of its gradient (27, 1, 9, 3)
#   Adam: 0.2 as handed out, 0.0 made contiguous
#   AdamW: 0.2 as handed out, 0.0 made contiguous
#   SGD: 5.69 as handed out, 0.0 made contiguous
#   Adagrad: 0.2 as handed out, 0.0 made contiguous
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'PY'
import torch
from torch import nn, optim


def stepped(kind, *, fused, contiguous):
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 4, 3)
    pictures = torch.randn(2, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    (gradient,) = torch.autograd.grad(layer(pictures).square().sum(), [layer.weight])
    layer.weight.grad = gradient.contiguous() if contiguous else gradient
    strides = layer.weight.stride(), layer.weight.grad.stride()
    kind([layer.weight], lr=0.1, fused=fused).step()
    return layer.weight.detach(), strides


def difference(kind, *, contiguous):
    (fused, strides), (plain, _) = (stepped(kind, fused=each, contiguous=contiguous) for each in (True, False))
    return float((fused - plain).abs().max()), strides


as_found = True
_, (weight, gradient) = difference(optim.Adam, contiguous=False)
print(f"strides of the weight {weight}, of its gradient {gradient}")
as_found &= weight != gradient
for kind in (optim.Adam, optim.AdamW, optim.SGD, optim.Adagrad):
    (handed_out, _), (made, _) = (difference(kind, contiguous=each) for each in (False, True))
    print(f"{kind.__name__}: {handed_out:.3g} as handed out, {made:.1f} made contiguous")
    as_found &= handed_out > 0.1 and made < 1e-5

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
PY
