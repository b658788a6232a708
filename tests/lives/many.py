"""Many lives, in one process or in several."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch

from tests.lives.simulation import Violation, violation


def alone() -> None:
    """One core for each process; lives log thousands of lines that nobody reads."""
    torch.set_num_threads(1)
    logging.disable(logging.CRITICAL)
    gc.disable()  # a twelfth of the time: `of_chunk` collects
    gc.freeze()  # and what is imported is never looked at: another tenth


def lived(chunks: Sequence[range], workers: int) -> Iterator[tuple[int, list[Violation]]]:
    """Of each chunk, how many lives, and the violations."""
    if workers == 1:
        yield from map(of_chunk, chunks)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=alone) as pool:
        try:
            yield from pool.map(of_chunk, chunks)
        finally:
            pool.shutdown(cancel_futures=True)


def of_chunk(seeds: range) -> tuple[int, list[Violation]]:
    found = [broken for seed in seeds if (broken := violation(seed)) is not None]
    gc.collect()
    return len(seeds), found
