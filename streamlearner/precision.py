"""Which arithmetic a network runs in: measured where it runs, because machines differ tenfold.

bfloat16 was three times as fast as float32 for the reduced ResNet-18 on a processor with AVX512-BF16, and
twelve times slower on one with AVX2 alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from streamlearner.network import Network

CLEARLY_FASTER = 1.4
"""bfloat16 is taken when it is this much faster: a smaller gain is within a noisy machine's error, and two
starts of one daemon should choose alike."""
BATCH = 20
TURNS = 5


def choose(network: Network, *, setting: str, input_shape: Sequence[int], clock: Callable[[], float]) -> bool:
    """Whether to compute in bfloat16. `setting` is fp32, bf16, or auto: measure both, in turns, the best of
    each.

    Takes some tens of milliseconds; leaves the network as it was.
    """
    if setting != "auto":
        return setting == "bf16"
    inputs = torch.zeros(BATCH, *input_shape)
    best = {False: float("inf"), True: float("inf")}
    former = network.half_precision
    for turn in range(TURNS + 1):
        for half in best:
            network.half_precision = half
            seconds = _step_s(network, inputs, clock)
            if turn:  # the first of each also compiles kernels
                best[half] = min(best[half], seconds)
    network.half_precision = former
    return best[False] / best[True] >= CLEARLY_FASTER


def _step_s(network: Network, inputs: torch.Tensor, clock: Callable[[], float]) -> float:
    started = clock()
    gradients = torch.autograd.grad(network.eval()(inputs).sum(), network.weights)
    seconds = clock() - started
    del gradients
    network.train()
    return seconds
