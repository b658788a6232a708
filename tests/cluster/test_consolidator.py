"""The consolidator reads what a merge needs of each partition, and outlives what cannot be merged."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from streamlearner.app.consolidating import Consolidating
from streamlearner.app.embedded_state import EmbeddedState
from streamlearner.cluster.consolidator import Consolidator
from streamlearner.cluster.layout import ASSIGNMENT, claims_of, state_folder
from streamlearner.cluster.learner import ClusterLearner
from streamlearner.cluster.status import status_document, table
from streamlearner.cluster.store import Store
from streamlearner.config import loading
from streamlearner.config.loading import Config
from streamlearner.decoding.batch import Batch
from streamlearner.learning.learner import Learner
from streamlearner.learning.merging import draw_apart, merge

BUDGET_BITS = 16 * 8 * 1_024
GREY, VECTOR = (1, 8, 8), (16,)


def a_config(**settings: Any) -> Config:
    chosen: dict[str, Any] = {"memory.budget_bits": BUDGET_BITS, "sleep.steps": 5, "threads": 1}
    chosen |= {name.replace("__", "."): value for name, value in settings.items()}
    return loading.load(path=None, settings=chosen, environ={})


def a_batch(shape: tuple[int, ...], *, seed: int, count: int = 40) -> Batch:
    drawn = torch.Generator().manual_seed(seed)
    if len(shape) == 3:
        inputs: Tensor = torch.randint(0, 256, (count, *shape), generator=drawn, dtype=torch.uint8)
    else:
        inputs = 10.0**seed * torch.randn(count, *shape, generator=drawn)
    labels = tuple(f"{seed % 3}-{number % 2}" for number in range(count))
    return Batch(inputs=inputs, labels=labels, tasks=(None,) * count, ids=(None,) * count)


def a_partition(
    store: Store, config: Config, number: int, *, shape: tuple[int, ...] = GREY, is_shard: bool = True
) -> EmbeddedState:
    """With a checkpoint of what it learned, as its holder keeps it."""
    state = EmbeddedState(config)
    state.learn(a_batch(shape, seed=number, count=1))
    assert state.learner is not None
    draw_apart(state.learner, number=number)
    state.learner.is_shard = is_shard
    state.learn(a_batch(shape, seed=number))
    saved(store, number, state)
    return state


def saved(store: Store, number: int, state: EmbeddedState) -> int:
    """Bits of the checkpoint that a first holder saves."""
    claims_of(store, number).claim("learner-0", after=0)
    state.save(folder := state_folder(store, number, 1))
    return 8 * sum(file.stat().st_size for file in folder.glob("checkpoints/*/*"))


def a_consolidator(store: Store, config: Config) -> Consolidator[Any, Any]:
    return Consolidator(holder="one", store=store, work=Consolidating(config), every_examples=10)


def networks(folder: Path) -> Path:
    return next(folder.glob("checkpoints/*/not_merged.safetensors"))


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def merged_states(learner: Learner) -> list[dict[str, Tensor]]:
    method: Any = learner.method
    return [part.state_dict() for part in (method.memory, method.answering, learner.exam)]


@pytest.mark.parametrize("is_shard", [True, False])
def test_a_merge_of_what_is_read_alone_is_that_of_all_there_is(tmp_path: Path, is_shard: bool) -> None:
    store, config = Store(tmp_path), a_config(exam__fraction=0.2)
    whole = [a_partition(store, config, number, is_shard=is_shard) for number in range(3)]
    work = Consolidating(config)
    read = [work.read_shard(state_folder(store, number, 1)) for number in range(3)]
    found = []
    for learners in ([state.learner for state in whole], [shard.learner for shard in read if shard]):
        into = whole[0].make_learner()
        merge(into, [it for it in learners if it], generator=torch.Generator().manual_seed(1))
        found.append(into)
    assert len(found[0].exam) > 10 and found[0].method.remembered > 50
    for one, other in zip(*map(merged_states, found), strict=True):
        assert same(one, other)
    assert found[0].labels.state() == found[1].labels.state()
    assert found[0].progress.state() == found[1].progress.state()


def test_a_partition_goes_on_from_both_of_its_files_with_every_weight(tmp_path: Path) -> None:
    store, config = Store(tmp_path), a_config()
    before = a_partition(store, config, 0)
    assert networks(state_folder(store, 0, 1)).is_file()
    found = Consolidating(config).read(state_folder(store, 0, 1))
    assert found is not None and found.learner is not None and before.learner is not None
    for learner in (found.learner, before.learner):
        learner.learn(a_batch(GREY, seed=7))
    assert same(found.learner.method.state_dict(), before.learner.method.state_dict())


def test_networks_are_not_moved_to_the_consolidator(tmp_path: Path) -> None:
    """Four partitions of small digits; with -s it prints how much is moved."""
    store, config, bundle = Store(tmp_path), a_config(sleep__steps=150), load_digits()
    images, labels = torch.tensor((bundle.images * 15).astype("uint8"))[:, None], bundle.target.tolist()
    saved_bits = 0
    for number in range(4):
        state, rows = EmbeddedState(config), [row for row in range(557) if labels[row] % 4 == number]
        for start in range(0, len(rows), 10):
            part = rows[start : start + 10]
            nobody = (None,) * len(part)
            named = tuple(labels[row] for row in part)
            state.learn(Batch(inputs=images[part], labels=named, tasks=nobody, ids=nobody))
            assert state.learner is not None
            state.learner.is_shard = True
        saved_bits += saved(store, number, state)
        networks(state_folder(store, number, 1)).unlink()
    consolidator = a_consolidator(store, config)
    assert consolidator.turn() and consolidator.versions.newest == 1
    report = status_document(store)["consolidation"]
    print(f"\n{saved_bits:,} bits in checkpoints; {report}")
    assert report["bits_merged"] < report["bits_moved"] < saved_bits / 40


def test_what_is_read_is_verified(tmp_path: Path) -> None:
    store, config = Store(tmp_path), a_config()
    a_partition(store, config, 0)
    part = networks(state_folder(store, 0, 1)).with_name("method.safetensors")
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    consolidator = a_consolidator(store, config)
    assert not consolidator.turn()
    report = status_document(store)["consolidation"]
    assert report["outcome"] == "refused" and "SHA-256" in report["why"] and report["learned"] == 0
    shutil.rmtree(part.parents[2])
    a_partition(store, config, 0)
    assert consolidator.turn(), "what its holder saved again"


def test_statistics_that_no_sum_is_made_of_are_refused_and_the_consolidator_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, config = Store(tmp_path), a_config(method__name="streaming_statistics")
    state, _ = [a_partition(store, config, number, shape=VECTOR) for number in range(2)]
    consolidator = a_consolidator(store, config)
    for _ in range(2):
        assert not consolidator.turn()
    why = "cannot merge statistics: other seeds, or other first inputs, scaled them"
    assert [record.getMessage() for record in caplog.records if why in record.getMessage()] == [
        f"no version 1: {why}"
    ]
    document = status_document(store)
    assert document["version"] == 0 and document["consolidation"]["why"] == why
    assert f"the last consolidation was refused: {why}" in table(document).splitlines()
    shutil.rmtree(tmp_path / "partitions" / "00001")
    for seed in (1, 2):
        state.learn(a_batch(VECTOR, seed=seed))
    state.save(state_folder(store, 0, 1))
    assert consolidator.turn() and "why" not in status_document(store)["consolidation"]


def test_statistics_of_images_are_summed_and_published(tmp_path: Path) -> None:
    store, config = Store(tmp_path), a_config(method__name="streaming_statistics")
    for number in range(3):
        a_partition(store, config, number)
    consolidator = a_consolidator(store, config)
    assert consolidator.turn()
    published = Consolidating(config).read(consolidator.versions.folder(1))
    assert published is not None and published.learner is not None
    neocortex: Any = published.learner.method.neocortex
    assert int(neocortex.sums.counts.sum()) == published.learner.progress.learned


def no_daemon(partition: int, folder: Path) -> Any:
    raise AssertionError(f"partition {partition} is held already")


def a_lineage(state: EmbeddedState) -> Any:
    """A partition that is held, to which nothing comes."""
    return SimpleNamespace(
        daemon=SimpleNamespace(learner=state.learner, took_batch=False),
        check=lambda: None,
        save=lambda: None,
        turn=lambda: False,
        document=lambda: {"messages": 1},
    )


def test_a_learner_reads_a_version_once_for_all_of_its_partitions(tmp_path: Path) -> None:
    store, config, read = Store(tmp_path), a_config(), []
    states = {number: a_partition(store, config, number) for number in range(3)}
    assert a_consolidator(store, config).turn()

    def load(number: int) -> Learner:
        read.append(number)
        found = Consolidating(config).read(tmp_path / "versions" / "000001")
        assert found is not None and found.learner is not None
        return found.learner

    learner = ClusterLearner(
        name="learner-0", store=store, make_daemon=no_daemon, load_version=load, takeover_s=9.0
    )
    store.replace(ASSIGNMENT, {"learner-0": list(states)})
    learner.lineages |= {number: a_lineage(state) for number, state in states.items()}
    learner.turn()
    assert read == [1]
    adopted = [state.learner for state in states.values() if state.learner]
    assert [it.progress.version for it in adopted] == [1, 1, 1]
    first, *others = [it.method.neocortex.state_dict() for it in adopted]
    assert [set(it.labels.label(k) for k in range(len(it.labels))) for it in adopted] == [
        {f"{kind}-{half}" for kind in range(3) for half in range(2)}
    ] * 3
    body = [name for name in first if name.startswith("body.")]
    assert body and all(torch.equal(other[name], first[name]) for other in others for name in body)


def test_partitions_of_other_inputs_are_refused(tmp_path: Path) -> None:
    store, config = Store(tmp_path), a_config()
    a_partition(store, config, 0)
    a_partition(store, config, 1, shape=(1, 6, 6))
    assert not a_consolidator(store, config).turn()
    assert "cannot merge partitions of inputs" in status_document(store)["consolidation"]["why"]


def test_a_second_version_goes_on_from_the_first_which_is_not_read_again(tmp_path: Path) -> None:
    store, config = Store(tmp_path), a_config()
    states = [a_partition(store, config, number) for number in range(2)]
    consolidator = a_consolidator(store, config)
    assert consolidator.turn()
    shutil.rmtree(consolidator.versions.folder(1) / "checkpoints")
    for number, state in enumerate(states):
        state.learn(a_batch(GREY, seed=number + 3))
        state.save(state_folder(store, number, 1))
    consolidator.turn()
    report = status_document(store)["consolidation"]
    assert report["learned"] > 100 and "why" not in report
