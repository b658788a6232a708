"""What older code wrote is read under today's names; what later code wrote is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from streamlearner.errors import NoReadableCheckpoint
from streamlearner.state import format_upgrade
from streamlearner.state.format_upgrade import FORMAT, RENAMES, Renames, upgraded, upgraded_tensors
from streamlearner.state.versions import Version, Versions
from tests.support.checkpoint_store import a_store, save

HISTORY = {
    2: Renames(files={"night": "dream"}, tensors={"curriculum": "classes"}, facts={"learner.pace": "speed"}),
    3: Renames(
        files={"dream": "sleep"},
        tensors={"classes.seen": "classes.known", "adam.m": "adam.exp_avg"},
        facts={"learner.progress.new": "newest", "tally": "counts"},
    ),
}


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three formats, whatever today's are."""
    monkeypatch.setattr(format_upgrade, "RENAMES", HISTORY)


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("format", "before", "after"),
    [
        (1, "curriculum.seen", "classes.known"),
        (1, "candidate.curriculum.seen.bits", "candidate.classes.known.bits"),
        (1, "curriculum", "classes"),
        (1, "old_curriculum.seen", "old_curriculum.seen"),
        (1, "curricula.seen", "curricula.seen"),
        (1, "head.adam.m", "head.adam.exp_avg"),
        (1, "head.adam.moment", "head.adam.moment"),
        (2, "classes.seen", "classes.known"),
        (2, "curriculum.seen", "curriculum.seen"),
        (3, "classes.seen", "classes.seen"),
    ],
)
def test_parts_of_a_tensors_name_are_renamed_as_wholes_from_the_format_it_is_of(
    format: int, before: str, after: str
) -> None:
    assert upgraded_tensors({before: 1.0, "other": 2.0}, format=format) == {after: 1.0, "other": 2.0}


@pytest.mark.usefixtures("history")
def test_files_and_facts_are_renamed_through_all_formats_and_keep_their_values() -> None:
    facts = {"tally": {"messages": 3}, "learner": {"pace": 0.5, "progress": {"new": 7}}, "schema": None}
    files, now = upgraded({"night": {"w": 1}, "method": {"w": 2}}, facts, format=1)
    assert files == {"sleep": {"w": 1}, "method": {"w": 2}}
    assert now == {
        "counts": {"messages": 3},
        "learner": {"speed": 0.5, "progress": {"newest": 7}},
        "schema": None,
    }


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("learner", [None, {}, {"progress": None}])
def test_facts_that_are_not_there_yet_are_passed_over(learner: dict[str, object] | None) -> None:
    assert upgraded({}, {"learner": learner}, format=1) == ({}, {"learner": learner})


def test_todays_names_are_renamed_by_no_entry_of_today() -> None:
    """A file alone does not say its format: it is read as of the first."""
    for renames in RENAMES.values():
        for name in renames.tensors.values():
            assert upgraded_tensors({f"a.{name}.b": 0}, format=1) == {f"a.{name}.b": 0}
        for name in renames.files.values():
            assert upgraded({name: {}}, {}, format=1) == ({name: {}}, {})
    assert max(RENAMES) == FORMAT


# on the disk


def of_format(folder: Path, number: int, format: int) -> None:
    """Makes a checkpoint of today's one of another format."""
    path = folder / f"{number:012d}" / "manifest.json"
    manifest = replace(a_store(folder).load(number).manifest, format=format, code_version="9.0")
    path.write_bytes(manifest.to_bytes())


def test_an_older_checkpoint_is_loaded_under_todays_names_and_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = a_store(tmp_path)
    save(store, 7)
    of_format(tmp_path, 1, FORMAT - 1)
    renamed = Renames(files={"model": "network"}, tensors={"w": "weight"}, facts={"value": "number"})
    monkeypatch.setattr(format_upgrade, "RENAMES", {FORMAT: renamed})
    found = store.latest()
    assert found is not None
    assert found.tensors["network"]["weight"].tolist() == [7] * 10
    assert (found.facts, found.tensors.keys()) == ({"number": 7}, {"network", "memory"})
    assert store.verify(1) == []
    assert {path.name for path in (tmp_path / "000000000001").glob("m*.safetensors")} == {
        "model.safetensors",
        "memory.safetensors",
    }


def test_a_checkpoint_of_later_code_is_not_passed_over_for_an_older_one(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    save(store, 1)
    save(store, 2)
    of_format(tmp_path, 2, FORMAT + 1)
    with pytest.raises(NoReadableCheckpoint, match=rf"format {FORMAT + 1} of version 9\.0.*run that version"):
        store.latest()
    assert [entry.ok for entry in store.entries()] == [True, False]


@pytest.mark.parametrize("network", ["lenet", None])
def test_a_version_of_the_first_format_is_loaded_with_its_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: str | None
) -> None:
    named = {} if network is None else {"network": network}
    safetensors.torch.save_file({"body.w": torch.ones(2)}, tmp_path / "000004.safetensors", named)
    monkeypatch.setattr(format_upgrade, "RENAMES", {FORMAT: Renames(tensors={"body": "trunk"})})
    loaded = Versions(tmp_path, keep=1).load(4)
    assert (loaded.number, loaded.network) == (4, network)
    assert loaded.neocortex["trunk.w"].tolist() == [1.0, 1.0]


def test_a_version_of_later_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = Versions(tmp_path, keep=1)
    monkeypatch.setattr("streamlearner.state.versions.FORMAT", FORMAT + 1)
    versions.save(Version(1, "mlp", {"w": torch.ones(2)}))
    with pytest.raises(NoReadableCheckpoint, match=f"format {FORMAT + 1} of a later version"):
        versions.load(1)


def test_equal_versions_are_equal_files(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        Versions(tmp_path / folder, keep=1).save(Version(1, "mlp", {"w": torch.ones(2)}))
    one, other = (tmp_path / folder / "000001.safetensors" for folder in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()
