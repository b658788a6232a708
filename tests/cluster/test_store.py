"""What many processes write to one store is whole, and made once."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlearner.cluster.assignment import assigned, read_assignment
from streamlearner.cluster.claims import Claims
from streamlearner.cluster.layout import ASSIGNMENT, REPORT, claims_of
from streamlearner.cluster.status import SILENT_S, status_document, table
from streamlearner.cluster.store import Store
from streamlearner.cluster.versions import PublishedVersions


def test_of_many_who_claim_the_same_epoch_one_has_it(tmp_path: Path) -> None:
    claims, won = Claims(Store(tmp_path), "thing"), []

    def claim(name: str) -> None:
        for epoch in range(20):
            if claims.claim(name, after=epoch):
                won.append((epoch, name))

    threads = [threading.Thread(target=claim, args=(f"process {n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(epoch for epoch, _ in won) == list(range(20))
    newest = claims.newest()
    assert newest is not None and newest.epoch == 20 and not newest.released


def test_a_claim_that_was_given_up_says_so_and_an_older_one_does_not_hold(tmp_path: Path) -> None:
    claims = Claims(Store(tmp_path), "thing")
    assert claims.newest() is None
    assert (claims.next("one"), claims.next("other")) == (1, 2)
    claims.release(2)
    claims.release(2)
    newest = claims.newest()
    assert newest is not None and newest.released and newest.holder == "other"
    assert claims.holds(2) and not claims.holds(1)


def test_a_version_is_published_once_and_leaves_nothing_behind(tmp_path: Path) -> None:
    store = Store(tmp_path)
    versions = PublishedVersions(store)
    for expected in (True, False):
        aside = store.aside()
        (aside / "weights").write_text(str(expected))
        assert versions.publish(aside, 1) is expected
    assert (versions.folder(1) / "weights").read_text() == "True" and versions.newest == 1
    assert [path.name for path in tmp_path.iterdir()] == ["versions"]


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.read("a/b.json") is None
    assert store.create("a/b.json", {"n": 1}) and not store.create("a/b.json", {"n": 2})
    store.replace("a/b.json", {"n": 3})
    assert store.read("a/b.json") == {"n": 3} and store.names("a") == ["b.json"]


@given(
    partitions=st.integers(1, 40),
    counts=st.lists(st.integers(1, 9), min_size=2, max_size=6),
)
def test_all_partitions_are_shared_equally_and_no_more_move_than_must(
    partitions: int, counts: list[int]
) -> None:
    former: dict[str, list[int]] = {}
    for count in counts:
        names = [f"learner-{n}" for n in range(count)]
        found = assigned(partitions, names, former)
        assert Counter(n for own in found.values() for n in own) == Counter(range(partitions))
        sizes = [len(own) for own in found.values()]
        assert max(sizes) - min(sizes) <= 1
        if former:
            stayed = sum(len(set(own) & set(former.get(name, ()))) for name, own in found.items())
            most = sorted((len(former.get(name, ())) for name in names), reverse=True)
            least, more = divmod(partitions, count)
            assert stayed == sum(min(had, least + (rank < more)) for rank, had in enumerate(most))
        former = found


def a_report(name: str, at_s: float, **partitions: int) -> dict[str, object]:
    own = {
        number: {
            "epoch": 1,
            "messages": count,
            "learned": count,
            "withheld": 0,
            "lag": 2,
            "bits": 8,
            "version": 0,
        }
        for number, count in partitions.items()
    }
    return {"name": name, "at_s": at_s, "starts": 3, "examples_per_s": 5.0, "partitions": own}


def test_the_status_tells_who_is_silent_and_what_nobody_has(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.replace(ASSIGNMENT, {"learner-0": [0, 1], "learner-1": [2]})
    for number in range(3):
        claims_of(store, number).next("learner-0")
    store.replace("learners/learner-0.json", a_report("learner-0", 100.0, **{"0": 30, "1": 20}))
    store.replace("learners/learner-1.json", a_report("learner-1", 100.0 - SILENT_S - 1))
    store.replace("replicas/7.json", {"name": "process 7", "version": 3, "at_s": 100.0})
    store.replace("replicas/8.json", {"name": "process 8", "version": 2, "at_s": 100.0 - SILENT_S})
    store.replace(REPORT, {"outcome": "refused", "learned": 40, "seconds": 1.5})
    document = status_document(store, clock=lambda: 101.0)
    assert [(it["name"], it["silent"], it["restarts"]) for it in document["learners"]] == [
        ("learner-0", False, 2),
        ("learner-1", True, 2),
    ]
    assert document["without_owner"] == [2] and document["examples"] == 50 and document["lag"] == 4
    assert [it["name"] for it in document["replicas"]] == ["process 7"], "the other has ended"
    told = table(document)
    for words in (
        "0,1",
        "silent",
        "without an owner: [2]",
        "refused from 40 examples",
        "process 7: version 3",
    ):
        assert words in told
    assert read_assignment(store) == {"learner-0": [0, 1], "learner-1": [2]}


def test_the_status_of_a_store_in_which_nothing_happened_is_empty(tmp_path: Path) -> None:
    document = status_document(Store(tmp_path))
    assert (document["learners"], document["version"], document["without_owner"]) == ([], 0, [])
    assert "newest version: 0" in table(document)


@pytest.mark.parametrize("learners", [1, 5])
def test_more_learners_than_partitions_leave_some_with_none(learners: int) -> None:
    found = assigned(2, [f"learner-{n}" for n in range(learners)], {})
    assert sum(map(len, found.values())) == 2


def test_partitions_that_were_added_are_shared_out_and_the_others_stay() -> None:
    former = assigned(4, ["learner-0", "learner-1"], {})
    found = assigned(6, ["learner-0", "learner-1"], former)
    assert all(set(former[name]) <= set(found[name]) for name in former)
    assert sorted(n for own in found.values() for n in own) == list(range(6))
