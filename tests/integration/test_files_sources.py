"""Every format of the files source through the real daemon: to its end, and across a restart."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from streamlearner.decoding.inputs import wire_input
from tests.support.daemon_process import DaemonProcess
from tests.support.digit_stream import DIGITS, DigitStream

pytestmark = pytest.mark.slow

SETTINGS: dict[str, Any] = {
    "daemon": {"at_end": "exit"},
    "memory": {"budget_bits": 200_000, "sampling": "balanced"},
    "exam": {"budget_bits": "1 MiB", "fraction": 0.05},
    "sleep": {"every_examples": 500, "min_examples": 100, "steps": 20, "batch_size": 16},
    "checkpoint": {"every_examples": 400},
}
"""Balanced sampling counts what it saw of each class, and this exam never fills: so a checkpoint tells how
many of each class were learned and withheld."""
Launch = Callable[..., DaemonProcess]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    launched: list[DaemonProcess] = []

    def make(**files: Any) -> DaemonProcess:
        source = {"source": {"type": "files", "files": files}}
        launched.append(DaemonProcess(tmp_path / "daemon", SETTINGS | source))
        return launched[-1]

    yield make
    for daemon in launched:
        daemon.close()


def taken_by_label(daemon: DaemonProcess) -> Counter[str]:
    """How many examples of each label went into the newest checkpoint: those learned and those withheld."""
    found = daemon.newest()
    names = [str(name) for name in found.facts["learner"]["labels"]]
    taken: Counter[str] = Counter()
    for index, count in found.tensors["method"]["memory.seen_by_class"].tolist():
        taken[names[index]] += count
    taken.update(names[index] for index in found.tensors["exam"]["facts"][:, 0].tolist())
    return taken


def assert_drained_after(daemon: DaemonProcess, labels: list[str]) -> None:
    """The newest checkpoint holds one effect of each of these examples, and of nothing else."""
    facts = daemon.newest().facts
    progress, tally = facts["learner"]["progress"], facts["tally"]
    assert tally["messages"] == progress["learned"] + progress["withheld"] == len(labels)
    assert (tally["rejected"], tally["duplicate"]) == (0, 0)
    assert progress["adopted"] + progress["refused"] > 0, "it never slept"
    assert taken_by_label(daemon) == Counter(labels)


def test_the_digits_are_learned_to_their_end_and_the_process_exits_with_0(launch: Launch) -> None:
    daemon = launch(format="digits", order="label").start()
    assert daemon.wait_for_end() == 0, daemon.tail()
    labels = [str(label) for label in DigitStream(rounds=1).labels]
    assert_drained_after(daemon, labels)
    facts = daemon.newest().facts
    assert [str(name) for name in facts["learner"]["labels"]] == [str(digit) for digit in range(10)]
    assert daemon.newest().manifest.position["index"] == DIGITS == len(labels)


def test_json_lines_of_several_files_are_learned_in_the_order_of_their_names(
    launch: Launch, tmp_path: Path
) -> None:
    stream = DigitStream(rounds=1)
    labels = [f"digit {label}" for label in stream.labels[:800]]
    for number, first in enumerate((0, 300, 550)):
        lines = [
            json.dumps({"input": wire_input(stream.images[i][None]), "label": labels[i], "id": f"{i}"})
            for i in range(first, (300, 550, 800)[number])
        ]
        (tmp_path / f"part-{number}.jsonl").write_text("\n".join(lines) + "\n")
    daemon = launch(format="jsonl", path=str(tmp_path / "part-*.jsonl")).start()
    assert daemon.wait_for_end() == 0, daemon.tail()
    assert_drained_after(daemon, labels)
    assert daemon.newest().facts["learner"]["labels"] == list(dict.fromkeys(labels))


def test_a_folder_of_images_is_learned_label_after_label(launch: Launch, tmp_path: Path) -> None:
    stream, folder = DigitStream(rounds=1), tmp_path / "images"
    labels = [f"is-{label}" for label in stream.labels[:700]]
    for number, label in enumerate(labels):
        (folder / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(stream.images[number]).save(folder / label / f"{number:04}.png")
    daemon = launch(format="image_folder", path=str(folder)).start()
    assert daemon.wait_for_end() == 0, daemon.tail()
    assert_drained_after(daemon, labels)
    assert daemon.newest().facts["learner"]["labels"] == sorted(set(labels))


class Cifar100:
    """What incremental CIFAR-100 has to bring, in order, read on our own; and one image."""

    def __init__(self, path: Path) -> None:
        table = parquet.read_table(path, columns=["fine_label", "coarse_label"])
        coarse = table["coarse_label"].to_numpy()
        order = np.argsort(coarse, kind="stable")
        self.labels = [str(label) for label in table["fine_label"].to_numpy()[order].tolist()]
        self.tasks = coarse[order].tolist()
        first = next(parquet.ParquetFile(path).iter_batches(1, columns=["img"]))
        self.image = np.asarray(Image.open(BytesIO(first["img"][0]["bytes"].as_py())))


def test_incremental_cifar100_drains_on_a_signal_and_goes_on_at_its_position_with_nothing_twice(
    launch: Launch, shared: Path
) -> None:
    path = shared / "data" / "cifar100" / "train.parquet"
    columns = {"image_column": "img", "label_column": "fine_label", "task_column": "coarse_label"}
    daemon, cifar = launch(format="parquet", path=str(path), order="task", **columns), Cifar100(path)
    daemon.start().wait_until(lambda status: status["messages"] >= 1_500)
    assert daemon.stop() == 0, daemon.tail()
    taken = daemon.newest().manifest.position["index"]
    assert 1_500 <= taken < 5_000, "a signal ends it long before its 50,000 examples"
    assert_drained_after(daemon, cifar.labels[:taken])
    assert daemon.newest().facts["learner"]["tasks"] == [str(cifar.tasks[0])]

    again = daemon.start().wait_until(lambda status: status["messages"] >= taken + 200)
    assert again["examples"]["learned"] + again["examples"]["withheld"] == again["messages"]
    inputs = [wire_input(cifar.image.transpose(2, 0, 1))]
    (found,) = daemon.ask("/v1/predict", {"inputs": inputs, "task": str(cifar.tasks[0])})["predictions"]
    assert str(found["label"]) in cifar.labels[:taken]
    assert daemon.stop() == 0, daemon.tail()
    further = daemon.newest().manifest.position["index"]
    assert further >= taken + 200
    assert_drained_after(daemon, cifar.labels[:further])
