"""The conformance suite of samplings: what methods rely on of a recollection memory, whatever it keeps."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from streamlearner.app.parts import make_association, make_memory
from streamlearner.config.loading import load
from streamlearner.memory.records import Recollections
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.methods.base import Rng
from streamlearner.testing.states import differing, global_generators, state
from streamlearner.testing.threads import OneThread

BUDGET_BITS = 2_000
SHAPE = (1, 4, 4)


def batch(number: int, *, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Symbols [10, c], labels and tasks [10]; the same for the same number."""
    rng = torch.Generator().manual_seed(number)
    labels = torch.randint(classes, (10,), generator=rng)
    return torch.randint(2, (10, 20), generator=rng), labels, labels % 3


def exactly(held: Recollections) -> list[list[list[int]] | list[int]]:
    return [held.symbols.tolist(), held.labels.tolist(), held.tasks.tolist()]


class SamplingConformance(OneThread):
    """One line of pytest: `TestMine = SamplingConformance.of("my_package.module:Mine")`.

    Settings are those of a configuration, dots as two underscores: `memory__mine__share=0.5`.
    """

    SETTINGS: ClassVar[Mapping[str, Any]]

    @classmethod
    def of(cls, part: str, **settings: Any) -> type[SamplingConformance]:
        """The suite for the sampling of this name."""
        dotted = {name.replace("__", "."): value for name, value in settings.items()}
        return type(cls.__name__, (cls,), {"SETTINGS": {"memory.sampling": part} | dotted})

    def make(self, *, seed: int = 0) -> RecollectionMemory:
        """An empty one for codes of 20 bits, whose random draws follow from `seed`."""
        usual = {"memory.budget_bits": BUDGET_BITS, "association.code_bits": 20, "seed": seed}
        config = load(
            path=None, settings={"association.name": "transform", **usual, **self.SETTINGS}, environ={}
        )
        association = make_association(config, input_shape=SHAPE, dtype=torch.uint8, rng=Rng(seed=0))
        memory = make_memory(config, association=association)
        memory.recode((2,) * 20, lambda symbols: symbols)
        return memory

    def filled(self, *, seed: int = 0, batches: int = 40) -> RecollectionMemory:
        """One that has seen more than it can hold, of ever more classes."""
        memory = self.make(seed=seed)
        for number in range(batches):
            memory.insert(*batch(number, classes=2 + number // 4))
        return memory

    def test_it_never_holds_more_than_its_budget_and_counts_what_it_holds(self) -> None:
        memory = self.make()
        for number in range(60):
            memory.insert(*batch(number, classes=2 + number))
            held = memory.state_dict()["records"].nbytes * 8
            assert held <= memory.stored_bits <= BUDGET_BITS
            assert len(memory) <= memory.capacity
            assert sum(memory.counts().values()) == len(memory)
        assert memory.seen == 600
        assert 0 < len(memory) < 600

    def test_what_it_holds_and_samples_was_inserted_with_its_label_and_task(self) -> None:
        memory = self.filled()
        shown = set()
        for number in range(40):
            symbols, labels, tasks = batch(number, classes=2 + number // 4)
            rows = zip(symbols.tolist(), labels.tolist(), tasks.tolist(), strict=True)
            shown |= {(tuple(row), label, task) for row, label, task in rows}
        for held in (memory.contents(), memory.sample(7), memory.sample_balanced(7)):
            rows = zip(held.symbols.tolist(), held.labels.tolist(), held.tasks.tolist(), strict=True)
            assert {(tuple(row), label, task) for row, label, task in rows} <= shown
        assert len(memory.sample(7).labels) == 7

    def test_an_empty_one_gives_nothing(self) -> None:
        memory = self.make()
        assert (len(memory), memory.counts()) == (0, {})
        assert len(memory.sample(5).labels) == len(memory.sample_balanced(5).labels) == 0

    def test_its_state_goes_into_a_fresh_one_that_goes_on_bit_for_bit(self) -> None:
        memory, restored = self.filled(), self.make(seed=1)
        restored.load_state_dict({name: value.clone() for name, value in memory.state_dict().items()})
        for number in range(40, 60):
            for one in (memory, restored):
                one.insert(*batch(number, classes=20))
            assert exactly(memory.sample(5)) == exactly(restored.sample(5))
            assert exactly(memory.sample_balanced(5)) == exactly(restored.sample_balanced(5))
        assert differing(memory, restored) == []

    def test_what_is_erased_by_id_task_or_class_is_held_no_more(self) -> None:
        memory = self.make()
        for number in range(20):
            memory.insert(*batch(number, classes=6), torch.arange(10) + 10 * number + 1)
        held, gone = len(memory), sum(memory.erase(id=id) for id in range(1, 101))
        assert len(memory) == held - gone
        assert not any(memory.holds(id) for id in range(1, 101))
        memory.erase(task=1)
        memory.discard([3])
        left = memory.contents()
        assert not set(left.tasks.tolist()) & {1}
        assert not set(left.labels.tolist()) & {3}
        for number in range(20, 40):
            memory.insert(*batch(number, classes=6))
        assert memory.stored_bits <= memory.budget_bits

    def test_a_copy_shares_nothing(self) -> None:
        memory = self.filled()
        twin, before = copy.deepcopy(memory), state(memory)
        twin.insert(*batch(99, classes=40))
        twin.sample(5)
        assert state(memory) == before

    def test_codes_may_be_translated_all_at_once(self) -> None:
        memory = self.filled()
        before = memory.contents()
        memory.recode((2,) * 10, lambda symbols: symbols[:, :10])
        after = memory.contents()
        assert memory.radices == (2,) * 10
        assert after.labels.tolist() == before.labels.tolist()
        assert torch.equal(after.symbols, before.symbols[:, :10])

    def test_nothing_is_drawn_from_a_global_generator(self) -> None:
        before = global_generators()
        memory = self.filled()
        memory.sample(5)
        memory.sample_balanced(5)
        assert global_generators() == before
