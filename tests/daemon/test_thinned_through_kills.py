"""A stream that is thinned loses steps, evenly and counted, and as many of the same ones however often the
process is killed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from streamlearner.state.batch_paces import BatchPaces, Stretch
from tests.support.daemon_process import DaemonProcess, differing, final_state

pytestmark = pytest.mark.slow

BATCH, EXAMPLES = 10, 3_000
THINNING = {
    "daemon": {"batch_size": BATCH, "when_behind": "thin", "at_end": "serve"},
    "memory": {"budget_bits": 20_000},
    "exam": {"fraction": 0.0},
    "sleep": {"every_examples": None, "first_examples": None},  # idle steps depend on the clock
    "checkpoint": {"every_examples": 370, "every_s": None},
}
NOTE = "batch_paces"
Launch = Callable[[str], DaemonProcess]


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    """More lines than learning keeps up with, as they are all there at once."""
    bundle, chosen = load_digits(), np.random.default_rng(0).integers(1_797, size=EXAMPLES)
    pairs = ((bundle.images[n].astype(int).tolist(), int(bundle.target[n])) for n in chosen)
    path = tmp_path / "stream.jsonl"
    path.write_text("".join(json.dumps({"input": image, "label": label}) + "\n" for image, label in pairs))
    return path


@pytest.fixture
def launch(tmp_path: Path, stream: Path) -> Iterator[Launch]:
    launched: list[DaemonProcess] = []

    def make(name: str) -> DaemonProcess:
        source = {"type": "files", "files": {"format": "jsonl", "path": str(stream)}}
        launched.append(DaemonProcess(tmp_path / name, THINNING | {"source": source}))
        return launched[-1]

    yield make
    for daemon in launched:
        daemon.close()


def without_steps(noted: list[Stretch], *, of: int) -> int:
    """Of the first messages, by the rule: of each batch one in so many gets steps, and at least one."""
    left_out = 0
    for start, end, (size, one_in) in noted:
        lengths = [min(size, min(end, of) - place) for place in range(start, min(end, of), size)]
        left_out += sum(length - -(-length // one_in) for length in lengths)
    return left_out


def noted_in(folder: Path) -> list[Stretch]:
    paces = BatchPaces(folder / NOTE)
    paces.close()
    return paces._stretches


def test_after_kills_as_many_examples_of_the_same_ones_got_no_step(launch: Launch) -> None:
    killed, calm = launch("killed"), launch("calm")
    before: list[list[Stretch]] = []
    for instant in (500, 1_400, 2_300):
        killed.start()
        killed.wait_until(lambda status: status["messages"] >= instant)  # noqa: B023
        killed.kill()
        before.append(noted_in(killed.state_dir))
    end = killed.start().wait_until_taken(EXAMPLES)
    assert killed.stop() == 0, killed.tail()
    noted = noted_in(killed.state_dir)
    for then in before:  # what was decided is never decided otherwise; the last stretch may have gone on
        assert then[:-1] == noted[: len(then) - 1] and then[-1].start == noted[len(then) - 1].start
    assert end["examples"]["learned"] == EXAMPLES
    assert end["pace"]["without_steps"] == without_steps(noted, of=EXAMPLES) > EXAMPLES / 2

    calm.state_dir.mkdir()
    shutil.copy(killed.state_dir / NOTE, calm.state_dir / NOTE)
    calm.start().wait_until_taken(EXAMPLES)
    assert calm.stop() == 0, calm.tail()
    assert not differing(final_state(killed), final_state(calm))
