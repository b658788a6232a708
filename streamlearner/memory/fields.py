"""What stands beside a code in its record: label, task, and by which id it can be erased.

An id is kept as its digest's last bits, 16 by default. What has the same ones by chance is erased with it: an
erasure is never short of a record, but takes one in 65,536 of the others along, so that a thousand of them
cost 1.5 % of the memory. One bit less doubles that, one more costs a hundredth of the recollections where a
code has 100 bits. Memories of streams without ids have no such field, as those without tasks have no task.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from streamlearner.memory.packing import CodeError, Ints

NO_TASK = -1
"""The task of an example where the stream named none."""
LABEL, TASK, ID = range(3)
"""Their order. The field of the id may be absent."""
ID_BITS = 16


def id_field(digest: int, bits: int) -> int:
    """Of an id's digest; 0: none."""
    return ((digest & ((1 << bits) - 1)) or 1) if digest and bits else 0


def fields_of(
    labels: Sequence[int], tasks: Sequence[int], ids: Sequence[int], *, widths: Sequence[int]
) -> Ints:
    """[n, fields], as they are packed with these widths; 0 where no task was named."""
    columns = [labels, [task + 1 for task in tasks], ids][: len(widths)]
    return np.asarray(columns, np.int64).T


def widened(widths: Sequence[int], *, label: int, task: int, id: int) -> tuple[int, ...]:
    """Bits of each field, at least as many as these. That of ids keeps the bits that it has."""
    known = widths[ID] if len(widths) > ID else id
    return (max(widths[LABEL], label), max(widths[TASK], task), *([known] if known else []))


def integers(name: str, values: Tensor, rows: int, *, lowest: int, highest: int = 2**31 - 1) -> list[int]:
    """`values` [rows] as integers, each from `lowest` to `highest`; raises `CodeError` otherwise."""
    if values.shape != (rows,) or values.is_floating_point():
        raise CodeError(f"{name} {list(values.shape)} {values.dtype}: expected integers of shape [{rows}]")
    listed: list[int] = values.tolist()
    if listed and not (lowest <= min(listed) and max(listed) <= highest):
        raise CodeError(f"{name} from {min(listed)} to {max(listed)}: expected {lowest} to {highest}")
    return listed
