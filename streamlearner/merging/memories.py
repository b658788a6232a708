"""Several recollection memories as one."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from streamlearner.associations.contract import Association
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.merging.fits import fit_digest, recode
from streamlearner.merging.shards import Codes, Recoded


def merge_memories(into: RecollectionMemory, shards: Sequence[Codes], *, association: Association) -> Recoded:
    """An empty memory then holds what it would had it seen all that these saw, in codes of `association`;
    which codes had to be encoded anew for that. The others stay as they are. Raises `CodeError` for memories
    of another kind."""
    wanted, recoded, parts = fit_digest(association), Recoded(), []
    for shard in shards:
        part = copy.deepcopy(shard.memory)
        if fit_digest(shard.association) != wanted:
            recoded = recoded.plus(recode(part, of=shard.association, by=association))
        part.relabel(shard.indices.classes, shard.indices.tasks)
        parts.append(part)
    into.recode(association.radices, lambda symbols: symbols)
    into.merge(*parts)
    return recoded
