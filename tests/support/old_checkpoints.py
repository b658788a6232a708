"""Keeps state folders as the code of one commit writes them, and what that code answers from them.

Later code must read them: `tests/state/test_old_checkpoints.py`. To keep those of another commit, in a clean
clone of it, with its own Python (the path is for a commit that has not got this file yet):

    PYTHONPATH=path/of/this/repository .venv/bin/python -m tests.support.old_checkpoints FOLDER [NAME ...]

FOLDER then holds for each scenario `NAME.tar.xz`, the state folder as a daemon left it, and `NAME.json`: its
settings, what a daemon of the same code says after it was restored from there, and after it learned on.
`layouts.json` tells how the weights of larger networks lie in a checkpoint.
"""

from __future__ import annotations

import json
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.asked_daemon import AskedDaemon
from tests.support.old_streams import LATE, message, nested, pushed, task_of

TOTAL = LATE + 80
"""Messages in all: the state is kept after `LATE`."""

SETTINGS: dict[str, Any] = {
    "threads": 1,
    "precision": "fp32",  # auto measures, so that two machines may choose differently
    "daemon.batch_size": 5,
    "daemon.linger_s": 3600,  # a sleep goes on with batches alone: nothing happens while none comes
    "daemon.poll_timeout_s": 0.01,
    "network.name": "mlp_small",
    "memory.budget_bits": 2_048,
    "exam.budget_bits": 16_384,
    "exam.fraction": 0.15,
    "sleep.every_examples": 40,
    "sleep.min_examples": 10,
    "sleep.steps": 20,
    "sleep.batch_size": 8,
    "sleep.steps_per_batch": 5,
    "sleep.tolerance": 1.0,
    "evaluation.every_examples": 25,
    "evaluation.prequential_window": 30,
    "checkpoint.every_examples": None,
    "checkpoint.every_s": None,
    "checkpoint.keep": 1,
    "serving.refresh_every_examples": 1,
}
GENERATIVE = {
    "method.generative_dual_memory.hidden": 8,
    "method.generative_dual_memory.latents": 3,
    "method.generative_dual_memory.short_term_tasks": 2,
}
MASKED = {
    "method.name": "masked_generator",
    "memory.budget_bits": 4_096,
    "sleep.steps_per_batch": 20,
    "method.masked_generator.units": 8,
    "method.masked_generator.latents": 3,
    "method.masked_generator.steps": 4,
    "method.masked_generator.batch_size": 4,
    "method.masked_generator.least_examples": 6,
}
LONG = {"sleep.steps": 60}
"""Such sleeps are under way when the state is kept."""
NEVER = {"sleep.every_examples": None}
FULL = {"trellis": 2_048, "transform": 2_048, "thumbnail": 400, "gumbel": 800, "raw": 2_400}
"""Bits too few for what comes before the state is kept: by then the kinds of sampling differ."""

SCENARIOS: dict[str, dict[str, Any]] = {
    "active_long_term": {"method.name": "active_long_term"},
    "generative_dual_memory": {"method.name": "generative_dual_memory", **GENERATIVE},
    "masked_generator": MASKED,
    "meta_learned_update": {"method.name": "meta_learned_update"},
    "deep_generative_replay": {"method.name": "deep_generative_replay", **GENERATIVE},
    "elastic_weight_consolidation": {"method.name": "elastic_weight_consolidation"},
    "pseudopattern_rehearsal": {"method.name": "pseudopattern_rehearsal"},
    "finetune": {"method.name": "finetune"},
    "rehearsal": {"method.name": "rehearsal", "network.name": "mlp_small_dropout"},
    **{
        f"{association}_{sampling}": {
            "association.name": association,
            "association.variables": 12,
            "association.levels": 3,
            "memory.budget_bits": budget_bits,
            "memory.sampling": sampling,
            **NEVER,  # so that no version is kept: these are many
        }
        for association, budget_bits in FULL.items()
        for sampling in ("balanced", "reservoir")
    },
    "asleep_generative_dual_memory": LONG | {"method.name": "generative_dual_memory", **GENERATIVE},
    "asleep_masked_generator": MASKED | {"sleep.steps": 300},
    "asleep": {"sleep.on_memory_full": True, "sleep.drift": 0.9, "sleep.every_s": 3e9} | LONG | NEVER,
    "transplant": {"sleep.steps_per_batch": 30} | NEVER,
    "tasks": {"method.candidates": 3, "method.targets": "teacher", "codec.remembered_ids": 20},
    "factors": {"method.distillation": 0.02},
    "push": {"source.type": "push"},
}
"""What differs from `SETTINGS`; where no method is named it is the default one."""
LAYOUTS = {
    name: {"network.name": name, "method.name": "finetune"}
    for name in ("mlp", "mlp_dropout", "lenet", "resnet18_reduced")
}
"""Networks whose weights are too many to be kept: only their names and shapes are."""
INPUTS = {"trellis_balanced": "colour", "transform_balanced": "features"}
INPUTS |= {"lenet": "large", "resnet18_reduced": "large colour"}
"""Of the others grey images."""

ASKED = {
    "transplant": (20, "/v1/transplant", {"to": "mlp_small_dropout", "steps": 500}),
    "asleep": (LATE, "/v1/sleep", {}),
}
"""What is asked of a daemon once it has learned so many messages."""


class Play:
    """One scenario's daemon in a folder, which learns from messages of its own kind."""

    def __init__(self, name: str, settings: dict[str, Any], folder: Path, *, learned: int) -> None:
        self.inputs = INPUTS.get(name, "grey")
        self.tasks, self.factors, self.push = name == "tasks", name == "factors", name == "push"
        self.learned = learned
        known = None if self.push else [self._message(number) for number in range(learned)]
        self.daemon = AskedDaemon(settings, folder, messages=known)

    def _message(self, number: int) -> Any:
        return message(number, inputs=self.inputs, factors=self.factors, tasks=self.tasks)

    def learn(self, total: int) -> None:
        """On to so many messages in all; of pushed ones two more are sent, which no batch takes."""
        if self.daemon.source is not None:
            self.daemon.source.extend(self._message(number) for number in range(self.learned, total))
        elif total > self.learned:
            more = range(self.learned + 2 * (self.learned > 0), total + 2)
            self.daemon.post("/v1/examples", {"examples": [pushed(number) for number in more]})
        self.daemon.learned(total)
        self.learned = total

    def said(self) -> dict[str, Any]:
        """All that it answers: counts, what it remembers, probabilities and recollections."""
        self.daemon.learned(self.learned)
        status = self.daemon.until(lambda: self.daemon.get("/v1/status"), answers_by_the_newest)
        return {
            "status": {name: value for name, value in status.items() if name not in PASSING},
            "memory": self.daemon.get("/v1/memory"),
            "retention": self.daemon.get("/v1/retention"),
            "probabilities": self.probabilities(),
            "recollections": self.daemon.get("/v1/recollections?format=lists&per_class=2")["recollections"],
        }

    def probabilities(self) -> list[Any]:
        """Of the same inputs always; where the stream has tasks, also within one."""
        tasks = [{}, {"task": task_of(0)}] if self.tasks else [{}]
        return [
            one["probabilities"]
            for task in tasks
            for one in self.predict({"return": ["probabilities"]} | task)["predictions"]
        ]

    def predict(self, more: dict[str, Any]) -> Any:
        asked = [nested(1000 + i, i % 5, inputs=self.inputs) for i in range(8)]
        return self.daemon.post("/v1/predict", {"inputs": asked} | more)

    def roll_back(self) -> list[Any] | None:
        """Goes back to the first version, if a later one answers: probabilities from then on."""
        if self.predict({})["model_version"] < "2":
            return None
        self.daemon.post("/v1/rollback", {"version": 1})
        self.daemon.until(lambda: self.predict({}), lambda answer: answer["model_version"].startswith("1."))
        return self.probabilities()


def answers_by_the_newest(status: dict[str, Any]) -> bool:
    """Whether what serves has learned all that was learned: a copy for it may be made a little later."""
    return bool(status["model_version"].split(".")[1] == str(status["examples"]["learned"]))


PASSING = ("uptime_s", "lag", "connected", "ready", "owed_steps")
"""What a status says of the moment alone."""


def keep(name: str, folder: Path) -> None:
    """Plays one scenario: the archive of its state after `LATE` messages, and beside it what was said."""
    settings = SETTINGS | SCENARIOS[name]
    archive = folder / f"{name}.tar.xz"
    with tempfile.TemporaryDirectory() as aside:
        play = Play(name, settings, Path(aside), learned=0)
        with play.daemon:
            at, path, body = ASKED.get(name, (LATE, "", {}))
            play.learn(at)
            if path:
                play.daemon.post(path, body)
            play.learn(LATE)
        with tarfile.open(archive, "w:xz", preset=9) as packed:
            packed.add(aside, arcname="state")
    with unpacked(archive) as state:
        play = Play(name, settings, state, learned=LATE)
        with play.daemon:
            restored = play.said()
            play.learn(TOTAL)
            continued = play.said()
            rolled_back = play.roll_back()
    recorded = {
        "settings": settings,
        "restored": restored,
        "continued": continued,
        "rolled_back": rolled_back,
    }
    archive.with_name(f"{name}.json").write_text(json.dumps(recorded, separators=(",", ":")) + "\n")


def layout(name: str) -> dict[str, Any]:
    """Type and shape of each tensor that the method has in a checkpoint, by name."""
    with tempfile.TemporaryDirectory() as aside:
        play = Play(name, SETTINGS | LAYOUTS[name], Path(aside), learned=0)
        with play.daemon:
            play.learn(5)
        (file,) = Path(aside).glob("checkpoints/*/method.safetensors")
        with file.open("rb") as written:  # the format begins with the length of its header, and that
            header = json.loads(written.read(int.from_bytes(written.read(8), "little")))
    return {name: [entry["dtype"], entry["shape"]] for name, entry in sorted(header.items())}


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """The state folder in an archive, in a place of its own."""
    with tempfile.TemporaryDirectory() as aside:
        with tarfile.open(archive) as packed:
            packed.extractall(aside, filter="data")
        yield Path(aside) / "state"


def main() -> None:
    folder, *names = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name in names or SCENARIOS:
        keep(name, Path(folder))
        print(name, (Path(folder) / f"{name}.tar.xz").stat().st_size)
    if not names:
        layouts = {name: layout(name) for name in LAYOUTS}
        (Path(folder) / "layouts.json").write_text(json.dumps(layouts, indent=1) + "\n")


if __name__ == "__main__":
    main()
