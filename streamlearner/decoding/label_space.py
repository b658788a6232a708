"""The open set of classes seen so far: their indices, and their names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from streamlearner.decoding.labels import ClassName, FactorValue, class_text, shown
from streamlearner.errors import CheckpointError
from streamlearner.stream import Label

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")


class LabelSpace:
    """An open set of labels with dense class indices in order of arrival; append only, so an index stays.

    The same class serves tasks. One thread adds (`index`, `indices`, `restore`); any thread may look.
    `factors` has the indices of the classes of each factor, and under None those of plain labels. `name` is
    a text for documents and metrics, another one for each: `viewpoint=90` of a factor; a later label that is
    written as a former one has its JSON.
    """

    def __init__(self, labels: Iterable[ClassName] = ()) -> None:
        self._labels: list[ClassName] = []
        self._index_of: dict[Label | FactorValue, int] = {}
        self._names: list[str] = []
        self._taken: set[str] = set()
        self.factors: dict[str | None, list[int]] = {}
        for label in labels:
            self.index(label)

    def __len__(self) -> int:
        return len(self._labels)

    def __contains__(self, label: ClassName) -> bool:
        return label in self._index_of

    def index(self, label: ClassName) -> int:
        """The index of `label`; a new label gets the next one."""
        found = self._index_of.get(label)
        if found is None:
            found = len(self._labels)
            self._labels.append(label)
            self._names.append(self._unused_name(label))
            self._index_of[label] = found
            self.factors.setdefault(_factor_of(label), []).append(found)
        return found

    def find(self, label: ClassName) -> int | None:
        """The index of `label`, or None where it never arrived; adds nothing."""
        return self._index_of.get(label)

    def indices(self, labels: Sequence[ClassName]) -> Tensor:
        """[n] int64, the index of each label; new ones are added in their order."""
        import torch  # not above: the gateway reads inputs without it

        return torch.tensor([self.index(label) for label in labels], dtype=torch.int64)

    def label(self, index: int) -> ClassName:
        """The label at `index`. Raises `IndexError` outside 0..len-1 (a negative index is an error too)."""
        if index < 0:
            raise IndexError(f"class index {index}; expected 0..{len(self._labels) - 1}")
        return self._labels[index]

    def name(self, index: int) -> str:
        """Of the label at `index`: a text that names no other one here, and stays. Raises `IndexError`."""
        self.label(index)
        return self._names[index]

    def names(self, values: Mapping[int, T]) -> dict[str, T]:
        """The same values by name."""
        return {self.name(index): value for index, value in values.items()}

    def _unused_name(self, label: ClassName) -> str:
        name = str(label)
        if name in self._taken:
            name = class_text(label)
        while name in self._taken:
            name = json.dumps(name, ensure_ascii=False)
        self._taken.add(name)
        return name

    def copy(self) -> LabelSpace:
        """One that knows the same, and learns nothing of what is added here."""
        return LabelSpace(self._labels)

    def state(self) -> list[Any]:
        """The labels in order of arrival: JSON-serialisable, and all there is to restore."""
        return [list(label) if isinstance(label, FactorValue) else label for label in self._labels]

    def restore(self, labels: Sequence[Any]) -> None:
        """Takes `state()` back. Raises `CheckpointError` for a label twice or a value that is none."""
        restored = LabelSpace(_restored(label, place) for place, label in enumerate(labels))
        if len(restored) != len(labels):
            raise CheckpointError(
                f"label space: {len(labels)} labels, only {len(restored)} distinct; expected each once"
            )
        self._labels, self._index_of, self.factors = restored._labels, restored._index_of, restored.factors
        self._names, self._taken = restored._names, restored._taken


def _factor_of(label: ClassName) -> str | None:
    return label.factor if isinstance(label, FactorValue) else None


def _restored(label: object, place: int) -> ClassName:
    if isinstance(label, str | int) and not isinstance(label, bool):
        return label
    if isinstance(label, list) and [type(part) in (str, int) for part in label] == [True, True]:
        return FactorValue(str(label[0]), label[1])
    raise CheckpointError(
        f"label space: entry {place} is {shown(label)}; expected a string, an integer, or a factor with its "
        "value"
    )
