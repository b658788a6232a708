"""Whatever kind of store there is, it keeps the same promises: a folder, S3, and fsspec's memory."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from streamlearner.app.consolidating import Consolidating
from streamlearner.app.embedded_state import EmbeddedState
from streamlearner.cluster.claims import Claims
from streamlearner.cluster.consolidator import Consolidator
from streamlearner.cluster.layout import PARTITIONS, claims_of, state_folder, state_name
from streamlearner.cluster.lineage import Lineage
from streamlearner.cluster.store import Store
from streamlearner.cluster.store_at import store_at
from streamlearner.cluster.take_in import take_in
from streamlearner.cluster.versions import KEPT, PublishedVersions
from streamlearner.config import loading
from streamlearner.decoding.batch import Batch
from streamlearner.state.manifest import MANIFEST


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of moto's S3, which keeps `If-None-Match`."""
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    server = pytest.importorskip("moto.server", reason="moto is not installed").ThreadedMotoServer(
        ip_address="127.0.0.1", port=0
    )
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "memory", "s3"])
def where(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of an empty store."""
    if request.param == "folder":
        return (tmp_path / "store").as_uri()
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}/store"
    from fsspec.config import conf

    reached = {"endpoint_url": request.getfixturevalue("s3"), "key": "one", "secret": "two"}
    monkeypatch.setitem(conf, "s3", reached)
    import s3fs

    bucket = f"learned-{uuid.uuid4().hex}"
    s3fs.S3FileSystem(**reached).mkdir(bucket)
    return f"s3://{bucket}/store"


@pytest.fixture
def store(where: str) -> Store:
    return store_at(where)


def a_config(**settings: Any) -> Any:
    chosen = {"memory.budget_bits": 131_072, "sleep.steps": 3, "threads": 1, "checkpoint.keep": 2} | settings
    return loading.load(path=None, settings=chosen, environ={})


def a_batch(seed: int, count: int = 12) -> Batch:
    chosen = torch.Generator().manual_seed(seed)
    inputs = torch.randint(0, 256, (count, 1, 8, 8), generator=chosen, dtype=torch.uint8)
    nobody = (None,) * count
    return Batch(inputs=inputs, labels=tuple(str(n % 3) for n in range(count)), tasks=nobody, ids=nobody)


def saved(store: Store, number: int, state: EmbeddedState, epoch: int = 1) -> None:
    """As its holder does."""
    claims_of(store, number).claim("learner-0", after=epoch - 1)
    state.save(state_folder(store, number, epoch))
    store.bring(state_name(number, epoch))


def a_state(seed: int) -> EmbeddedState:
    state = EmbeddedState(a_config())
    state.learn(a_batch(seed))
    assert state.learner is not None
    state.learner.is_shard = True
    return state


def a_checkpoint(folder: Path, number: int, files: dict[str, str]) -> None:
    made = folder / "checkpoints" / f"{number:08d}"
    made.mkdir(parents=True)
    for name, words in files.items():
        (made / name).write_text(words)


def test_a_name_is_made_once_and_another_content_replaces_it_as_a_whole(store: Store) -> None:
    assert store.read("a/b.json") is None and store.names("a") == []
    assert store.create("a/b.json", {"n": 1}) and not store.create("a/b.json", {"n": 2})
    assert store.read("a/b.json") == {"n": 1}
    store.replace("a/b.json", {"n": 3})
    assert store.read("a/b.json") == {"n": 3} and store.names("a") == ["b.json"] and store.names("") == ["a"]


def test_of_many_who_claim_at_once_one_has_it(where: str) -> None:
    if not where.startswith("file"):
        pytest.skip("this imitation of an object store looks, and then writes")
    got: list[int | None] = []
    ready = threading.Barrier(6)

    def try_it(store: Store, number: int) -> None:
        ready.wait()
        got.append(Claims(store, "claims").claim(f"learner-{number}", after=0))

    threads = [threading.Thread(target=try_it, args=(store_at(where), n)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got, key=str) == [1, *[None] * 5]


def test_a_folder_is_published_once_and_read_by_another_process(where: str) -> None:
    stores = [store_at(where) for _ in range(3)]
    for store, expected in zip(stores[:2], (True, False), strict=True):
        (aside := store.aside()).joinpath("inner").mkdir()
        (aside / "inner" / "weights").write_text(str(expected))
        assert PublishedVersions(store).publish(aside, 1) is expected
        assert not aside.exists()
    for store in stores:
        versions = PublishedVersions(store)
        assert versions.newest == 1
        assert (versions.folder(1) / "inner" / "weights").read_text() == "True"


def test_few_published_folders_stay(store: Store) -> None:
    versions = PublishedVersions(store)
    for number in range(1, KEPT + 3):
        (aside := store.aside()).joinpath("weights").write_text(str(number))
        assert versions.publish(aside, number)
    assert store.names("versions") == [f"{number:06d}" for number in range(3, KEPT + 3)]
    assert (versions.folder(KEPT + 2) / "weights").read_text() == str(KEPT + 2)


def test_others_see_what_a_holder_has_brought_and_no_more_than_it_keeps(where: str) -> None:
    own, other, name = store_at(where), store_at(where), state_name(3, 1)
    a_checkpoint(own.working(name), 1, {"facts.json": "1", MANIFEST: "{}"})
    a_checkpoint(own.working(name), 2, {"facts.json": "2", "ids.safetensors": "i", MANIFEST: "{}"})
    own.bring(name)
    found = other.fetch(name, lambda file: file != "ids.safetensors") / "checkpoints" / "00000002"
    assert (found / "facts.json").read_text() == "2"
    a_checkpoint(own.working(name), 3, {"facts.json": "3", MANIFEST: "{}"})
    for path in sorted((own.working(name) / "checkpoints" / "00000001").iterdir()):
        path.unlink()
    (own.working(name) / "checkpoints" / "00000001").rmdir()
    own.bring(name)
    assert store_at(where).names(f"{name}/checkpoints") == ["00000002", "00000003"]
    newest = max((other.fetch(name) / "checkpoints").glob("[0-9]*"))
    assert (newest / "facts.json").read_text() == "3"


def test_a_checkpoint_that_was_half_brought_is_not_the_newest(where: str) -> None:
    if where.startswith("file"):
        pytest.skip("a folder appears whole")
    own, name = store_at(where), state_name(0, 1)
    a_checkpoint(own.working(name), 1, {"facts.json": "1", MANIFEST: "{}"})
    own.bring(name)
    half: Any = own
    half._files.pipe_file(half._at(f"{name}/checkpoints/00000002/facts.json"), b"2")
    other = store_at(where)
    newest = max((other.fetch(name) / "checkpoints").glob("[0-9]*"))
    assert (newest / "facts.json").read_text() == "1"


def test_a_consolidator_elsewhere_merges_what_holders_brought_and_publishes_it(where: str) -> None:
    holder, elsewhere = store_at(where), store_at(where)
    for number in range(2):
        saved(holder, number, a_state(number))
    consolidator: Any = Consolidator(
        holder="one", store=elsewhere, work=Consolidating(a_config()), every_examples=1
    )
    assert consolidator.turn() and not consolidator.turn()
    versions = PublishedVersions(store_at(where))
    state = Consolidating(a_config()).read(versions.folder(1))
    assert state is not None and state.learner is not None and state.learner.progress.learned == 24


def quiet(folder: Path) -> Any:
    """In place of a daemon: it restores what it finds in its folder, and learns nothing."""
    found = sorted(path.name for path in folder.glob("checkpoints/[0-9]*"))
    return SimpleNamespace(
        found=found,
        state=SimpleNamespace(learner=None, learner_factory=None),
        restore=lambda: None,
        open=lambda: None,
        checkpoint=lambda: a_checkpoint(folder, len(found) + 1, {"facts.json": "more", MANIFEST: "{}"}),
        drain=lambda: None,
        close=lambda: None,
    )


def test_the_next_holder_goes_on_from_what_the_last_one_brought(where: str) -> None:
    def taken(holder: str) -> Any:
        return Lineage.take(
            store_at(where),
            partition=5,
            holder=holder,
            forced=True,
            make_daemon=lambda _, folder: quiet(folder),
        )

    first = taken("learner-0")
    assert first.daemon.found == []
    first.save()
    second = taken("learner-1")
    assert second.daemon.found == ["00000001"] and second.epoch == 2
    second.save()
    second.give_up()
    third = taken("learner-2")
    assert third.daemon.found == ["00000002"] and third.epoch == 3
    with pytest.raises(Exception, match="was claimed after epoch 1"):
        first.save()


def test_a_daemons_folder_is_taken_in_and_again_after_a_kill_on_the_way(where: str) -> None:
    state = a_state(1)
    assert state.learner is not None
    state.learner.progress.version = state.learner.progress.newest = 4
    if not where.startswith("file"):
        killed: Any = store_at(where)
        killed.replace(f"{PARTITIONS}/.planting", {})
        killed._files.pipe_file(killed._at(f"{PARTITIONS}/00000/epochs/000001/half"), b"")
    assert take_in(store_at(where), lambda: {0: state, 1: state}, holder="a daemon")
    assert not take_in(store_at(where), dict, holder="a daemon"), "as after a restart"
    store = store_at(where)
    claim = claims_of(store, 1).newest()
    assert claim is not None and (claim.epoch, claim.released) == (1, True)
    assert PublishedVersions(store).newest == 4 and store.names(PARTITIONS) == ["00000", "00001"]
