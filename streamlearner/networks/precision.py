"""Chooses float32 or bfloat16 for a network by measuring both, because machines differ tenfold.

bfloat16 was three times as fast as float32 for the reduced ResNet-18 on a processor with AVX512-BF16, and
twelve times slower on one with AVX2 alone.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import torch

from streamlearner.networks.base import Network

FASTER = 1.1
"""bfloat16 is chosen where it is at least this many times as fast. In three runs on a busy machine the ratio
was 0.92 to 1.09 where there is no gain (multilayer perceptron), and 1.3 and more where there is (LeNet,
residual network)."""
BATCH = 20
TURNS = 11


def choose(network: Network, *, setting: str, input_shape: Sequence[int], clock: Callable[[], float]) -> bool:
    """True to compute in bfloat16. `setting` is fp32, bf16, or auto: then forward and backward passes in both
    are timed by `clock` (seconds) in turns, each turn the other one first, and the median of the ratios
    decides, so that other load on the machine matters little.

    Takes milliseconds for a small network, a second for a large one. Leaves the network as it was.
    """
    if setting != "auto":
        return setting == "bf16"
    inputs = torch.zeros(BATCH, *input_shape)
    configured, ratios = network.half_precision, []
    for turn in range(TURNS + 1):
        seconds = {}
        for half in (turn % 2 == 0, turn % 2 != 0):
            network.half_precision = half
            seconds[half] = _step_s(network, inputs, clock)
        if turn:  # the first also compiles kernels
            ratios.append(seconds[False] / seconds[True])
    network.half_precision = configured
    return statistics.median(ratios) >= FASTER


def _step_s(network: Network, inputs: torch.Tensor, clock: Callable[[], float]) -> float:
    started = clock()
    gradients = torch.autograd.grad(network.eval()(inputs).sum(), network.weights)
    seconds = clock() - started
    del gradients
    network.train()
    return seconds
