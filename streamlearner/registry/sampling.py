"""The ways to choose what the recollection memory keeps."""

from __future__ import annotations

from streamlearner.registry.part import Registry

SAMPLING = Registry(
    "sampling", plural="sampling", contract="streamlearner.memory.reservoir:RecollectionMemory"
)

SAMPLING.register(
    "reservoir",
    "streamlearner.memory.reservoir:RecollectionMemory",
    "a uniform sample of everything seen",
)
SAMPLING.register(
    "balanced",
    "streamlearner.memory.balanced:BalancedRecollectionMemory",
    "equally many of each class, a uniform sample inside it",
)
