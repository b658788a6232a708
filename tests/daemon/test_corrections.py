"""An update of a row takes the place of the example before; what a person erased stays erased."""

from __future__ import annotations

import json
from typing import Any

from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon.intake import Intake, TakenBatch, Tally
from streamlearner.decoding.codec import Codec
from streamlearner.decoding.erasures import Erasure
from streamlearner.stream import Message
from tests.support.intakes import an_intake


def change(op: str, label: str | None, number: int = 7) -> dict[str, Any]:
    row = {"input": [1.0], "label": label, "id": number}
    return {"op": op, "before": row if op == "d" else None, "after": None if op == "d" else row}


def intake_of(*changes: dict[str, Any]) -> Intake:
    headers = (("content-type", b"application/json"),)
    values = [json.dumps(each).encode() for each in changes]
    messages = [Message(value, "t", 0, n, headers=headers) for n, value in enumerate(values)]
    return an_intake(MemorySource(messages, finite=True), codec=Codec(envelope="debezium"))


def taken(intake: Intake) -> TakenBatch:
    found = intake.next_batch(timeout_s=0.0)
    assert found is not None
    return found


def test_a_correction_is_learned_after_what_it_corrects_was_erased() -> None:
    intake = intake_of(change("u", "b"))
    assert intake.ids.admit("7")
    batch = taken(intake)
    assert batch.batch.labels == ("b",)
    ((one),) = batch.erasures
    assert (one.erasure.id, one.since) == ("7", 0)
    assert not intake.ids.admit("7")


def test_a_correction_of_the_same_batch_leaves_only_itself() -> None:
    batch = taken(intake_of(change("c", "a"), change("u", "b"), change("u", "c")))
    assert (batch.batch.labels, batch.erased, batch.pure_erasures, batch.duplicates) == (("c",), 2, 0, 0)


def test_each_message_counts_once() -> None:
    tally = Tally()
    batch = taken(intake_of(change("c", "a"), change("u", "b"), change("d", "b"), change("c", "a")))
    tally.add(batch)
    others = tally.rejected + tally.duplicate + tally.tombstone + tally.erased + tally.erasure
    assert (len(batch.batch) + others, tally.messages) == (4, 4)
    assert (tally.erasure, tally.erased) == (1, 3)


def test_a_row_whose_label_was_taken_away_is_learned_again_with_the_next_one() -> None:
    tally = Tally()
    first = taken(intake_of(change("c", "a"), change("u", None), change("u", "b"), change("u", None)))
    tally.add(first)
    assert (len(first.batch), tally.erased, tally.erasure, tally.rejected) == (0, 2, 2, 0)
    second = taken(intake_of(change("c", "a"), change("u", None), change("u", "b")))
    assert second.batch.labels == ("b",)


def test_what_was_erased_on_request_is_not_learned_by_a_correction() -> None:
    intake = intake_of(change("u", "b"))
    intake.note(Erasure(id="7"))
    batch = taken(intake)
    assert (len(batch.batch), batch.erased) == (0, 1)
