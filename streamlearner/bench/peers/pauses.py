"""For how long a checkpoint, the exam, the readout and the choice of who answers hold the stream up."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.peers.turns import TurnSource, run_turn
from streamlearner.learning.choice import Choice
from streamlearner.learning.exam_pieces import READOUT, USUAL, Measuring

CODES_BYTES, CODE_BITS = 64 * 2**20, 4_000
AT_ONCE, EXAM_FRACTION = 500, 0.5


def pauses(
    dataset: Dataset,
    fixture: Fixture,
    settings: Mapping[str, Any],
    *,
    turns: int,
    codes_bytes: int = CODES_BYTES,
) -> tuple[dict[str, float], float]:
    """Medians over turns, in seconds of CPU of the learning thread, with so many bytes of codes and an exam
    of what was withheld; and the examples a second of CPU at which these were learned."""
    chosen = {
        "memory.budget_bits": 8 * codes_bytes,
        "association.code_bits": CODE_BITS,
        "exam.fraction": EXAM_FRACTION,
    }
    with fixture.daemon({**settings, **chosen}, fixture.messages(dataset)) as daemon:
        source = TurnSource(daemon.state.source)
        daemon.state.intake.source = source
        daemon.serving.start()
        source.open(None)
        source.left = len(dataset.labels)
        learned = _thread_seconds_of(lambda: run_turn(daemon, source))
        _fill(daemon.learner.method, dataset)
        taken = [_held_up(daemon) for _ in range(turns)]
        daemon.close()
    return {name: statistics.median(one[name] for one in taken) for name in taken[0]}, len(
        dataset.labels
    ) / learned


def _held_up(daemon: Any) -> dict[str, float]:
    learner, persistence = daemon.learner, daemon.persistence
    persistence.finish()
    checkpoint = _thread_seconds_of(lambda: daemon.checkpoint(aside=True))
    while not persistence.finish(waits=False):
        time.sleep(0.01)
    return {
        "checkpoint_pause_cpu_s": checkpoint,
        "evaluation_pause_cpu_s": _longest_piece(_evaluation(learner)),
        "readout_pause_cpu_s": _longest_piece(_readout(learner)),
        "choice_pause_cpu_s": _longest_piece(_choice(learner)),
    }


def _evaluation(learner: Any) -> Iterator[None]:
    learner.begin_evaluation()
    while learner.evaluation is not None:
        learner.evaluate_next()
        yield


def _readout(learner: Any) -> Iterator[None]:
    """As after a sleep."""
    learner.measuring = Measuring(adds_row=False, stage=READOUT)
    while learner.measuring is not None:
        learner.measure(1)
        yield


def _choice(learner: Any) -> Iterator[None]:
    """Of who is to answer, beside a batch of the usual size each."""
    choice, ended = Choice(), False
    while not ended:
        if ended := choice.evaluate(learner.exam, learner.method, names_tasks=False, beside=USUAL):
            choice.make(learner.method)
        yield


def _longest_piece(pieces: Iterator[None]) -> float:
    spent = [0.0]
    while True:
        started = time.thread_time()
        if next(pieces, spent) is spent:
            return max(spent)
        spent.append(time.thread_time() - started)


def _fill(method: Any, dataset: Dataset) -> None:
    """The memory, with the codes of some examples again and again."""
    inputs = torch.from_numpy(dataset.images[:AT_ONCE])
    images = inputs[:, None].float() / 255 if inputs.ndim == 3 else inputs
    symbols, labels = method.association.encode(images), torch.arange(len(images)) % method.classes
    while not method.fullness:
        method.memory.insert(symbols, labels)


def _thread_seconds_of(work: Callable[[], object]) -> float:
    started = time.thread_time()
    work()
    return time.thread_time() - started
