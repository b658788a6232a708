"""From the source to a batch: collect messages by count, decode them, write rejects to the dead letters, skip
duplicates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from streamlearner.daemon.batch_growth import BatchGrowth
from streamlearner.daemon.intake_contracts import BatchWatch, Ends, RejectWriter
from streamlearner.daemon.known_ids import ErasedIds, RememberedIds
from streamlearner.daemon.look_ahead import LookAhead, Waiting
from streamlearner.daemon.name_ceiling import NOTHING, Known, Most, NameCeiling
from streamlearner.daemon.taken import TakenBatch as TakenBatch
from streamlearner.daemon.taken import TakenErasure as TakenErasure
from streamlearner.daemon.taken import Tally as Tally
from streamlearner.decoding.batch import Batch
from streamlearner.decoding.codec import Codec
from streamlearner.decoding.erasures import Erasure
from streamlearner.decoding.headers import is_gone, is_tombstone
from streamlearner.state.batch_paces import Pace
from streamlearner.stream import Message, Reject, Source


class Intake:
    """Cuts the stream into batches.

    A batch is `batch_size` messages, counted before they are decoded, so that where one ends depends on the
    stream alone and a replay after a crash gives the same batches. It is smaller only where the source has
    had nothing more for `linger_s`, and where a replay comes to such an end; larger only by a `growth`.
    `taken` messages were cut so far, those before a restart included. With `look_ahead` some of those behind
    the batch may be polled already: they change nothing.
    """

    def __init__(
        self,
        *,
        source: Source,
        codec: Codec,
        dead_letters: RejectWriter,
        failures: BatchWatch,
        ends: Ends,
        batch_size: int,
        linger_s: float,
        remembered_ids: int,
        erased_ids: int,
        most: Most,
        clock: Callable[[], float],
        growth: BatchGrowth | None = None,
        look_ahead: LookAhead | None = None,
    ) -> None:
        self.source = source
        self.codec = codec
        self.dead_letters = dead_letters
        self.failures = failures
        self.batch_size = batch_size
        self.linger_s = linger_s
        self.most = most
        self.ids = RememberedIds(window=remembered_ids)
        self.erased = ErasedIds(window=erased_ids)
        self._clock = clock
        self._ends = ends
        self.growth = growth
        self._look_ahead = look_ahead
        self._pending: list[Message] = []
        self._polled: Waiting | None = None  # the next batch, where it was polled ahead
        self.taken = self._last_size = 0
        self._arrived_s = clock()

    def ready(self, *, timeout_s: float) -> bool:
        """Whether there is enough for a batch, and it can be decoded; waits up to `timeout_s` for more
        messages, or for that."""
        full = self.full
        if (missing := full - len(self._pending)) > 0:
            if arrived := self.source.poll(missing, timeout_s):
                self._arrived_s = self._clock()
                self._pending += arrived
            if len(self._pending) < full and not (self._pending and self.idle):
                return False
        return self.codec.ready(self._pending, timeout_s=timeout_s)

    @property
    def full(self) -> int:
        """Messages of the next batch, unless the source has no more."""
        return self._within(self.taken, self._size)

    @property
    def holds_batch(self) -> bool:
        """Whether the next batch is here, whole, without another poll."""
        return len(self._pending) >= self.full

    def _within(self, taken: int, size: int) -> int:
        """Of a batch after so many messages, which would have `size` but for an end that is noted."""
        end = self._ends.after(taken)
        return size if end is None else min(size, end - taken)

    def _full_after(self, more: int) -> int:
        """Messages of the batch so many behind the next one; 0 where that is not decided yet."""
        taken, growth = self.taken + more, self.growth
        if growth and not growth.is_decided(taken):
            return 0
        return self._within(taken, growth.size(taken) if growth else self.batch_size)

    @property
    def _size(self) -> int:
        """Of the next batch, unless it ends sooner."""
        if (growth := self.growth) is None:
            return self.batch_size
        if not growth.is_decided(self.taken):
            growth.decide(self.taken, waiting=len(self._pending) + sum(self.lag().values()))
        return growth.size(self.taken)

    @property
    def connected(self) -> bool:
        """Whether the source answers, and what messages need to be decoded."""
        return self.source.connected and self.codec.connected

    def lag(self) -> dict[int, int]:
        """Messages behind the next batch, for each partition: those the source has and those polled ahead."""
        ahead = self._look_ahead.waiting() if self._look_ahead else {}
        return {partition: count + ahead.get(partition, 0) for partition, count in self.source.lag().items()}

    def next_batch(self, *, timeout_s: float, known: Known = NOTHING) -> TakenBatch | None:
        """The next batch, or None where there is not enough yet; waits up to `timeout_s`. `known`: see
        `cut`."""
        return self.cut(known=known) if self.ready(timeout_s=timeout_s) else None

    @property
    def pace(self) -> Pace:
        """Of the next batch, as far as that is decided."""
        return self.growth.pace if self.growth else Pace(self.batch_size)

    @property
    def usual_batches(self) -> int:
        """Of how many batches of the usual size the last one was made."""
        return max(1, self._last_size // self.batch_size)

    def cut(self, *, known: Known = NOTHING) -> TakenBatch:
        """The batch that is `ready`. To what is `known` so far it may add until there is
        `most`."""
        messages, size, one_in = self._pending, self._size, self.pace.one_in
        self.taken, self._last_size = self.taken + len(messages), len(messages)
        if len(messages) < size and self._ends.after(self.taken - 1) != self.taken:
            self._ends.add(self.taken)
        taken = self._decode(messages, known, one_in)
        self._pending, self._polled = [], self._look_ahead.next() if self._look_ahead else None
        if self._polled:
            self._pending, self._arrived_s = list(self._polled.messages), self._clock()
        return taken

    @property
    def idle(self) -> bool:
        """True when the source has had nothing for `linger_s` and says that no message waits (a source that
        lost its broker cannot know), and not a whole batch here: one may wait for a sleep."""
        if self.holds_batch:
            return False
        if self.source.exhausted:
            return True
        waited = self._clock() - self._arrived_s >= self.linger_s
        return waited and self.source.connected and not any(self.lag().values())

    @property
    def finished(self) -> bool:
        """True when a finite source has been read to its end."""
        return self.source.exhausted and not self._pending

    def _decode(self, messages: list[Message], known: Known, one_in: int) -> TakenBatch:
        sound, aside = self.failures.begin(messages)
        polled = self._polled if self._polled and self._polled.is_all_of(messages) else None
        position = polled.position if polled else self.source.position
        batch, rejects = (polled and not aside and polled.decoded) or self.codec.decode(sound)
        self._look(batch)
        sorted_out = self._sort(batch, NameCeiling(known, most=self.most))
        rejects += sorted_out.beyond + aside
        if rejects:
            self.dead_letters.write(rejects)
        fresh = sorted_out.fresh
        new = batch.select(fresh) if len(fresh) < len(batch) else batch
        self.failures.narrow(new.messages, new.ids)
        return TakenBatch(
            messages=len(messages),
            batch=new,
            rejects=dict(Counter(reject.reason for reject in rejects)),
            refused=tuple(rejects),
            duplicates=len(batch) - len(fresh) - len(sorted_out.beyond) - sorted_out.erased,
            tombstones=sum(map(is_tombstone, sound)) + batch.tombstones,
            position=position,
            erased=sorted_out.erased + sum(map(is_gone, sound)),
            erasures=tuple(sorted_out.erasures),
            one_in=one_in,
        )

    def _look(self, batch: Batch) -> None:
        if self._look_ahead and len(batch):
            self._look_ahead.look(
                batch.inputs, full_after=self._full_after, source=self.source, codec=self.codec,
                failures=self.failures,
            )  # fmt: skip

    def _sort(self, batch: Batch, ceiling: NameCeiling) -> _Sorted:
        """The id of a reject is not remembered: it may be sent again."""
        found = _Sorted()
        erasures = list(batch.erasures)
        for place, (label, task, name) in enumerate(zip(batch.labels, batch.tasks, batch.ids, strict=True)):
            while erasures and erasures[0][0] <= place:
                self._erase(erasures.pop(0)[1], batch, found)
            if name is not None and name in self.erased:
                found.erased += 1
            elif refusal := ceiling.refusal(label, task):
                found.beyond.append(Reject(batch.messages[place], *refusal))
            elif name is None or self.ids.admit(name):
                ceiling.open(label, task)
                found.fresh.append(place)
        for _, erasure in erasures:
            self._erase(erasure, batch, found)
        return found

    def _erase(self, erasure: Erasure, batch: Batch, found: _Sorted) -> None:
        """What came just before it is not learned at all."""
        kept = [place for place in found.fresh if not _covers(erasure, batch, place)]
        just_came = len(found.fresh) - len(kept)
        found.fresh, found.erased = kept, found.erased + just_came
        since = self.note(erasure)
        found.erasures.append(TakenErasure(erasure, None if just_came else since, just_came))

    def note(self, erasure: Erasure) -> int | None:
        """An erased id is not admitted any more, but by what corrects it. The newest model version when an
        example of it was; None where none is known to have been."""
        if erasure.id is None:
            return None
        if not erasure.corrects:
            self.erased.add(erasure.id)
        return self.ids.drop(erasure.id)


@dataclass(slots=True)
class _Sorted:
    """Places of a batch that are new, rejects of one class or task too many, how many were erased, and the
    erasures; the rest are duplicates."""

    fresh: list[int] = field(default_factory=list)
    beyond: list[Reject] = field(default_factory=list)
    erased: int = 0
    erasures: list[TakenErasure] = field(default_factory=list)


def _covers(erasure: Erasure, batch: Batch, place: int) -> bool:
    return erasure.covers(id=batch.ids[place], label=batch.labels[place], task=batch.tasks[place])
