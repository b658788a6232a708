"""What it costs to get examples into the daemon: by HTTP bodies and from files, beside messages in memory.

Values are of CPU seconds of this process, in turns, as those of `throughput` are.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
from pydantic_core import from_json

from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.kit.results import Row
from streamlearner.bench.peers.turns import TurnSource, cpu_seconds_of, run_turn

BUDGET_BITS, VALUES, CLASSES = 62_720, 64, 10
TURNS, TURN, BODY = 7, 4_000, 1_000
SETTINGS: Mapping[str, Any] = {
    "memory.budget_bits": BUDGET_BITS,
    "network.name": "mlp",
    "sleep.every_examples": None,
    "sleep.first_examples": None,
    "precision": "fp32",
    "threads": 1,
}
DURABLE = "durable"


def json_body(part: Dataset) -> bytes:
    """As clients write it that have lists."""
    examples = zip(part.images.tolist(), part.labels, strict=True)
    return json.dumps({"examples": [{"input": one, "label": label} for one, label in examples]}).encode()


def rows_body(part: Dataset, ids: list[str] | None = None) -> bytes:
    """All inputs as one stretch of bytes."""
    inputs = {"inputs": part.images.tobytes(), "shape": list(part.images.shape), "dtype": "float32"}
    body: bytes = msgpack.packb(inputs | {"labels": part.labels} | ({"ids": ids} if ids else {}))
    return body


def write_lines(dataset: Dataset, path: Path) -> None:
    examples = zip(dataset.images.tolist(), dataset.labels, strict=True)
    path.write_text("".join(json.dumps({"input": one, "label": label}) + "\n" for one, label in examples))


def write_parquet(dataset: Dataset, path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns = {"features": pa.array(list(dataset.images)), "label": pa.array(dataset.labels)}
    parquet.write_table(pa.table(columns), path)


BODIES: Mapping[str, Callable[[Dataset], bytes]] = {"json": json_body, "rows": rows_body}
FILES: Mapping[str, Callable[[Dataset, Path], None]] = {"jsonl": write_lines, "parquet": write_parquet}


@dataclass(frozen=True, slots=True)
class Ingest:
    """A daemon that learns what comes so, beside one that has its messages in memory."""

    name: str = "ingest"
    protocol: str = (
        f"Ten clusters of {VALUES} values, default method, MLP, batches of 10, fp32, one thread, no sleep. "
        "json, rows: bodies of 1,000 examples as POST /v1/examples takes them (rows: MessagePack), decoded, "
        "made durable in the push log, read from it and learned; the socket is left out. jsonl, parquet: a "
        "file. ratio_to_memory: examples a second of CPU over those of the same daemon with messages in "
        "memory, the median over turns. durable: examples a second of CPU from a body of rows to the push "
        "log, fsync included, with an id for each (rows_with_ids) and without (rows)."
    )

    def trials(self, scope: Scope) -> Iterable[Trial]:
        return [
            Trial(arm, BUDGET_BITS, seed) for seed in range(scope.seeds) for arm in (*BODIES, *FILES, DURABLE)
        ]

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row]:
        (turns, turn), started = (2, 200) if scope.quick else (TURNS, TURN), time.perf_counter()
        dataset = clusters(turns * turn, trial.seed)
        if trial.arm == DURABLE:
            found = durable(dataset, fixture, turns=turns)
        else:
            found = {"ratio_to_memory": ratio_to_memory(trial.arm, dataset, fixture, turns=turns)}
        seconds = round(time.perf_counter() - started, 2)
        for metric, value in found.items():
            yield Row(trial.arm, BUDGET_BITS, 0, 0, trial.seed, metric, value, None, seconds, 0.0)


def clusters(count: int, seed: int) -> Dataset:
    """Shuffled draws of ten normal distributions."""
    chosen = np.random.default_rng(seed)
    centres, labels = 2 * chosen.normal(size=(CLASSES, VALUES)), chosen.integers(CLASSES, size=count)
    vectors = (centres[labels] + chosen.normal(size=(count, VALUES))).astype(np.float32)
    return Dataset(vectors, labels.tolist())


def parts_of(dataset: Dataset, size: int) -> Iterator[Dataset]:
    for start in range(0, len(dataset.labels), size):
        yield dataset.select(np.arange(start, min(start + size, len(dataset.labels))))


def ratio_to_memory(arm: str, dataset: Dataset, fixture: Fixture, *, turns: int) -> float:
    """The median over turns; the first one does not count."""
    turn = len(dataset.labels) // turns
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="streamlearner-bench-")))
        memory = opened.enter_context(fixture.daemon(SETTINGS, fixture.messages(dataset)))
        other = configured(fixture, source_settings(arm, dataset, folder), folder, opened)
        learned = {name: opened_turns(daemon) for name, daemon in (("memory", memory), ("other", other))}
        ratios = []
        for part in parts_of(dataset, turn):
            seconds = {"memory": cpu_seconds_of(partial(learned["memory"], turn))}
            bodies = [BODIES[arm](few) for few in parts_of(part, BODY)] if arm in BODIES else []
            seconds["other"] = cpu_seconds_of(partial(push_and_learn, other, bodies, learned["other"], turn))
            ratios.append(seconds["memory"] / seconds["other"])
    return round(statistics.median(ratios[1:]), 4)


def source_settings(arm: str, dataset: Dataset, folder: Path) -> dict[str, Any]:
    """Of a daemon that reads what the arm writes."""
    if arm in BODIES:
        return {"source.type": "push"}
    path = folder / f"stream.{arm}"
    FILES[arm](dataset, path)
    source = {"source.type": "files", "source.files.format": arm, "source.files.path": str(path)}
    return source | {"source.files.image_column": "features"}


def configured(fixture: Fixture, source: Mapping[str, Any], folder: Path, opened: ExitStack) -> Any:
    """A daemon with the source that its settings say."""
    fixed = {"state_dir": str(folder / "state"), "serving.port": 0, "daemon.at_end": "exit"}
    daemon = fixture.build_daemon({**SETTINGS, **source, **fixed}, None)  # type: ignore[arg-type]
    opened.callback(daemon.close)
    return daemon


def opened_turns(daemon: Any) -> Callable[[int], None]:
    """Lets it learn so many more examples."""
    source = daemon.state.intake.source = TurnSource(daemon.state.source)
    daemon.serving.start()
    source.open(None)

    def learn(examples: int) -> None:
        source.left = examples
        run_turn(daemon, source)

    return learn


def push_and_learn(daemon: Any, bodies: list[bytes], learn: Callable[[int], None], examples: int) -> None:
    push_all(daemon, bodies)
    learn(examples)


def push_all(daemon: Any, bodies: list[bytes]) -> None:
    for body in bodies:
        push(daemon, body)


def ids_of(part: Dataset, prefix: str) -> list[str]:
    return [f"{prefix}-{place}" for place in range(len(part.labels))]


def push(daemon: Any, body: bytes) -> None:
    """As the route does, without its socket and its checks of names."""
    codec = daemon.state.intake.codec
    if body[:1] == b"{":
        daemon.requests.ingest([codec.decode_example(one) for one in from_json(body)["examples"]])
    else:
        daemon.requests.ingest(codec.decode_rows(body, most=BODY))


def durable(dataset: Dataset, fixture: Fixture, *, turns: int) -> dict[str, float]:
    """Examples a second of CPU, without ids and with one for each; the medians over turns."""
    speeds: dict[str, list[float]] = {"rows": [], "rows_with_ids": []}
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="streamlearner-bench-")))
        daemon = configured(fixture, {"source.type": "push"}, folder, opened)
        for number, part in enumerate(parts_of(dataset, len(dataset.labels) // turns)):
            for name, each in speeds.items():
                bodies = [
                    rows_body(few, ids_of(few, f"{number}-{place}") if name == "rows_with_ids" else None)
                    for place, few in enumerate(parts_of(part, BODY))
                ]
                each.append(len(part.labels) / cpu_seconds_of(partial(push_all, daemon, bodies)))
    return {f"{name}_per_cpu_s": round(statistics.median(each), 1) for name, each in speeds.items()}


INGEST = Ingest()
