"""What every life must keep, whatever strikes it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch

from streamlearner.daemon.after_erasure import NAME as AFTER_ERASURE
from streamlearner.daemon.learning_failures import FAILED
from streamlearner.daemon.loop import Daemon
from streamlearner.learning.predictor import Predictor
from streamlearner.memory.lent_records import share_of
from streamlearner.state.checkpoint import Checkpoint
from tests.lives.outside import Outside, SimulatedSource
from tests.lives.worlds import World

COUNTERS = ("newest", "version", "rollbacks")
"""Of the learner's progress: a checkpoint that was damaged takes its version numbers with it."""

SEEN_BY = "intake/versions"
"""The number of the version before each known example was learned: a rollback takes a new one."""

ASKED = torch.tensor([[0.0, 1.0, 0.0], [1.0, -1.0, 0.5]])
"""What a client asks whatever is served."""


class Broken(BaseException):
    """A promise was. Nothing takes it for an error of its own."""


class Promises:
    """Watches one life. `names` are the model versions that were served, each with the digest of its
    weights; `rolled` are the weights rolled back to, by the messages taken before."""

    def __init__(
        self, world: World, source: SimulatedSource, letters: dict[int, str], outside: Outside
    ) -> None:
        self.world = world
        self.source = source
        self.letters = letters
        self.outside = outside
        self.names: dict[str, str] = {}
        self.rolled: dict[int, str] = {}
        self._adopted: dict[int, set[str]] = {}
        self._served: tuple[int, int, int] = (0, 0, 0)
        self._daemon: Daemon | None = None
        outside.watch = self.at_any_call
        source.opens = self.restored

    @property
    def damaged(self) -> bool:
        """Whether something that had been saved could not be read, for once or for ever, or was given up."""
        return any(fault.kind in ("flip", "broken", "operator") for fault in self.outside.struck)

    @property
    def set_aside(self) -> set[int]:
        """Offsets of what could not be learned."""
        return {offset for offset, reason in self.letters.items() if reason == FAILED}

    def started(self, daemon: Daemon) -> None:
        self._daemon, self._served = daemon, (0, 0, 0)

    def restored(self, index: int) -> None:
        """The stream goes on from here."""
        if index < self.source.committed and not self.damaged:
            raise Broken(
                f"it restarts from {index}, and said before that all up to {self.source.committed} is kept"
            )
        self._letters_up_to(index)

    def at_any_call(self) -> None:
        """The budget holds at each instant."""
        learner = self._daemon.learner if self._daemon else None
        if learner is None:
            return
        held, budget = learner.method.memory.stored_bits, self.world.config.memory.budget_bits
        if held > budget or learner.exam.stored_bits > learner.exam.budget_bits:
            raise Broken(f"the memory holds {held} bits of {budget}, the exam {learner.exam.stored_bits}")
        if learner.consolidation and learner.consolidation.stored_bits > share_of(budget):
            aside = learner.consolidation.stored_bits
            raise Broken(f"a sleep has set {aside} bits aside, of {share_of(budget)} beside {budget}")

    def status(self, document: Mapping[str, Any]) -> None:
        """Every message taken is in one count."""
        if "messages" not in document:
            return
        counted = sum(document["examples"].values())
        if counted != document["messages"]:
            raise Broken(f"{document['examples']} do not add up to {document['messages']} messages")

    def served(self, predictor: Predictor) -> None:
        """Versions grow, each name means one set of weights, and answers are finite."""
        if not all(answer.finite for answer in predictor.predict(ASKED)):
            raise Broken(f"version {predictor.version} gives no finite answer")
        version = predictor.version
        order = (version.rollbacks, version.adopted, version.examples)
        if order < self._served:
            raise Broken(f"version {version} is served after {self._served}")
        self._served = order
        self.named(predictor)

    def watch_versions(self, daemon: Daemon) -> None:
        """What is rolled back to is what was adopted under that number."""
        keep, rollback = daemon.persistence.keep_version, daemon.rollback

        def kept(number: int, neocortex: Mapping[str, torch.Tensor], **more: Any) -> None:
            self._adopted.setdefault(number, set()).add(digest(neocortex["weight"]))
            keep(number, neocortex, **more)

        def rolled_back(version: int) -> None:
            self.rolled.pop(daemon.state.tally.messages, None)  # this time it may be unreadable
            rollback(version)
            assert daemon.learner is not None
            found = digest(daemon.learner.method.neocortex.weight)
            self.rolled[daemon.state.tally.messages] = found
            if found not in self._adopted[version]:
                raise Broken(f"rolled back to version {version}, it has other weights than were adopted")

        daemon.persistence.keep_version = kept  # type: ignore[method-assign]
        daemon.rollback = rolled_back  # type: ignore[method-assign]

    def named(self, predictor: Predictor) -> None:
        """What answers is the only one of its name."""
        version = predictor.version
        found = digest(predictor.method.hippocampus.weight)
        if self.names.setdefault(str(version), found) != found:
            raise Broken(f"version {version} named other weights before")

    def ended(self, last: Checkpoint | None) -> None:
        """Every example has one effect, or is one dead letter."""
        if last is None:
            raise Broken("it ended without a checkpoint")
        if (index := last.manifest.position["index"]) != len(self.world.messages):
            raise Broken(f"it ended at {index} of {len(self.world.messages)} messages")
        self._letters_up_to(index)
        effects = last.tensors["method"]["effects"].clone()
        exam = last.tensors["exam"]["inputs"].contiguous().view(torch.float32)
        learned = {n for n, count in enumerate(effects.tolist()) if count}
        if any(count > 1 for count in effects.tolist()):
            raise Broken(f"learned more than once: {[n for n, c in enumerate(effects.tolist()) if c > 1]}")
        new, counts = self._expected()
        progress, tally = last.facts["learner"]["progress"], last.facts["tally"]
        withheld = set(exam.reshape(len(exam), -1)[:, 0].to(torch.int64).tolist()) if len(exam) else set()
        gone = {n for n, kind in zip(self.world.numbers, self.world.kinds, strict=True) if kind == "erase"}
        if withheld & gone:
            raise Broken(f"{withheld & gone} were erased, and are in the exam")
        if learned - new or withheld - new or learned & withheld:
            raise Broken(f"learned {learned - new or learned & withheld}, which it must not")
        if len(learned) + progress["withheld"] != len(new) or progress["learned"] != len(learned):
            raise Broken(f"{len(learned)} learned and {progress['withheld']} withheld of {len(new)}")
        found = {"again": tally["duplicate"], "tombstone": tally["tombstone"], "erase": tally["erasure"]}
        if any(count != counts[kind] for kind, count in found.items()):
            raise Broken(f"{found} are counted, not {counts}")

    def _expected(self) -> tuple[set[int], Counter[str]]:
        """The examples that are learned or withheld, and how many messages of the other kinds there are."""
        first: dict[int, int] = {}  # batch of each example
        erased: set[int] = set()
        counts: Counter[str] = Counter()
        for offset, kind in enumerate(self.world.kinds):
            number, batch = self.world.numbers[offset], offset // self.world.config.daemon.batch_size
            if offset in self.set_aside:
                continue
            if kind == "erase":
                erased.add(number)
                if first.get(number) == batch:  # not learned yet
                    del first[number]
            if kind in ("new", "again") and number in erased:
                counts["erased"] += 1
            elif kind == "new" or (kind == "again" and number not in first):  # the first was set aside
                first[number] = batch
            else:
                counts[kind] += 1
        return set(first), counts

    def _letters_up_to(self, index: int) -> None:
        due = {n for n in range(index) if self.world.kinds[n] in ("garbage", "beyond")}
        if due - self.letters.keys():
            raise Broken(f"rejected, and no dead letter: {sorted(due - self.letters.keys())}")
        others = self.letters.keys() - self.set_aside
        if any(self.world.kinds[n] not in ("garbage", "beyond") for n in others):
            raise Broken(f"dead letters that were no rejects: {sorted(self.letters)}")


def digest(weights: torch.Tensor) -> str:
    return hashlib.blake2b(weights.numpy().tobytes(), digest_size=8).hexdigest()


def differences(one: Checkpoint, other: Checkpoint, *, numbers: bool) -> list[str]:
    """What two states have not in common; of version numbers only with `numbers`."""
    found, expected = _flat(one, numbers), _flat(other, numbers)
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))


def _flat(checkpoint: Checkpoint, numbers: bool) -> dict[str, Any]:
    tensors: dict[str, Any] = {
        f"{file}/{name}": (tensor.dtype, tuple(tensor.shape), tensor.numpy().tobytes())
        for file, part in checkpoint.tensors.items()
        for name, tensor in part.items()
    }
    facts = dict(checkpoint.facts)
    facts.pop(AFTER_ERASURE, None)  # of the disk, not of what is known
    learner = dict(facts.pop("learner") or {})
    progress = dict(learner.pop("progress", {}))
    if not numbers:
        progress = {name: value for name, value in progress.items() if name not in COUNTERS}
        tensors.pop(SEEN_BY, None)
    return tensors | facts | learner | {"progress": progress, "position": checkpoint.manifest.position}
