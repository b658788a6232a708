"""How many cores the arithmetic of a process takes."""

from __future__ import annotations

import torch
from joblib import cpu_count
from threadpoolctl import ThreadpoolController


def use_threads(threads: int | None) -> None:
    """So many threads for torch, None: all cores but one; and one for numpy, in this process from now on.

    numpy's OpenBLAS would start one for each core, and whoever waits for another keeps its core busy
    meanwhile. What numpy works out here is small: a solution for 130 directions took, on two cores that two
    other processes used, 3 times as long on two threads as on one, and 500 times where these had precedence.
    """
    torch.set_num_threads(threads or max(1, cpu_count() - 1))
    ThreadpoolController().select(internal_api="openblas").limit(limits=1)
