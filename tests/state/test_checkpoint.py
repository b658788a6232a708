"""The checkpoint store: exact round trips, pruning and rolling back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from streamlearner.errors import CheckpointError
from tests.support.checkpoint_store import (
    a_store,
    exactly_equal,
    hidden_names,
    numbers,
    save,
    spoil,
    value_of,
)


class TestRoundTrip:
    def test_an_empty_folder_has_no_latest_checkpoint(self, tmp_path: Path) -> None:
        store = a_store(tmp_path / "not" / "there" / "yet")
        assert store.latest() is None
        assert store.entries() == []
        assert store.oldest_position() is None

    def test_everything_that_was_saved_comes_back(self, tmp_path: Path) -> None:
        store = a_store(tmp_path)
        number = save(store, 7)
        found = a_store(tmp_path).latest()
        assert found is not None and value_of(found) == 7
        assert found.number == number == 1
        assert found.path == tmp_path / "000000000001"
        assert found.skipped == ()
        manifest = found.manifest
        assert (manifest.method, manifest.config_digest, manifest.code_version) == (
            "recollection_replay",
            "abc",
            "1.2.3",
        )
        assert (manifest.created, manifest.examples, manifest.position) == (1_700_000_000.5, 70, {"0": 7})
        assert sorted(manifest.files) == ["facts.json", "memory.safetensors", "model.safetensors"]

    @pytest.mark.parametrize(
        "tensor",
        [
            pytest.param(torch.arange(12.0).view(3, 4).t(), id="transposed"),
            pytest.param(torch.arange(12.0)[3:9:2], id="strided slice"),
            pytest.param(torch.ones(1).expand(5), id="expanded"),
            pytest.param(torch.tensor(3.25), id="0-dim"),
            pytest.param(torch.empty(0, 3, dtype=torch.int64), id="empty"),
            pytest.param(torch.tensor([True, False]), id="bool"),
            pytest.param(torch.tensor([0, 255], dtype=torch.uint8), id="uint8"),
            pytest.param(torch.tensor([1.5, float("nan"), -0.0], dtype=torch.bfloat16), id="bf16"),
            pytest.param(torch.tensor([2**62 + 1, -1]), id="int64"),
            pytest.param(torch.tensor([float("nan"), float("-inf"), -0.0]), id="not finite"),
            pytest.param(torch.tensor([1e-300], dtype=torch.float64), id="double"),
            pytest.param(
                torch.nn.Parameter(torch.randn(3, generator=torch.Generator().manual_seed(1))), id="parameter"
            ),
            pytest.param(torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last), id="channels last"),
            pytest.param(torch.Generator().manual_seed(3).get_state(), id="generator state"),
        ],
    )
    def test_a_tensor_of_any_kind_comes_back_exactly(self, tmp_path: Path, tensor: Tensor) -> None:
        store = a_store(tmp_path)
        number = store.save(
            tensors={"t": {"x": tensor}}, facts={}, position={}, method="m", config_digest="c"
        )
        assert exactly_equal(store.load(number).tensors["t"]["x"], tensor)

    def test_shared_storage_comes_back_as_tensors_that_can_be_changed_alone(self, tmp_path: Path) -> None:
        base = torch.arange(6.0)
        store = a_store(tmp_path)
        tensors = {"t": {"whole": base, "again": base, "part": base[2:4], "view": base.view(2, 3)}}
        number = store.save(tensors=tensors, facts={}, position={}, method="m", config_digest="c")
        found = store.load(number).tensors["t"]
        assert all(exactly_equal(found[key], tensor) for key, tensor in tensors["t"].items())
        found["whole"].add_(1)
        assert exactly_equal(found["again"], base)

    def test_keys_may_be_any_module_path_and_a_file_may_be_empty(self, tmp_path: Path) -> None:
        keys = ["", "a.b.0.weight", "a/b", "größe", "with space\n", '"quoted"', "x" * 500]
        store = a_store(tmp_path)
        tensors = {"t": {key: torch.tensor([i]) for i, key in enumerate(keys)}, "none": {}}
        number = store.save(tensors=tensors, facts={}, position={}, method="m", config_digest="c")
        found = store.load(number).tensors
        assert {key: int(tensor) for key, tensor in found["t"].items()} == {
            key: i for i, key in enumerate(keys)
        }
        assert found["none"] == {}

    def test_equal_content_gives_equal_bytes_whatever_the_order_it_came_in(self, tmp_path: Path) -> None:
        content = {"b": torch.ones(3), "a": torch.zeros(2, dtype=torch.uint8), "c": torch.ones(2, 2).t()}
        store = a_store(tmp_path)
        for keys in ("bac", "cab"):
            tensors = {"t": {key: content[key] for key in keys}}
            facts = {key: 1 for key in keys}
            store.save(tensors=tensors, facts=facts, position={}, method="m", config_digest="c")
        for name in ("t.safetensors", "facts.json"):
            one, two = (tmp_path / f"{n:012d}" / name for n in (1, 2))
            assert one.read_bytes() == two.read_bytes()

    @pytest.mark.parametrize(
        "facts",
        [
            {"x": float("nan")},
            {"x": [float("inf")]},
            {"x": (1, 2)},
            {"x": {3: "integer key"}},
            {"x": {1, 2}},
            {"x": torch.ones(1)},
        ],
    )
    def test_facts_and_positions_that_json_would_change_are_refused_and_nothing_is_left(
        self, tmp_path: Path, facts: dict[str, Any]
    ) -> None:
        store = a_store(tmp_path)
        save(store, 1)
        with pytest.raises(ValueError, match="facts"):
            store.save(tensors={}, facts=facts, position={}, method="m", config_digest="c")
        with pytest.raises(ValueError, match="position"):
            store.save(tensors={}, facts={}, position=facts, method="m", config_digest="c")
        assert hidden_names(tmp_path) == [] and numbers(store) == [1]

    @pytest.mark.parametrize("name", ["../outside", "", "a/b", ".hidden", "ü"])
    def test_a_tensor_file_name_that_is_no_plain_name_is_refused(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ValueError, match="file name"):
            a_store(tmp_path).save(tensors={name: {}}, facts={}, position={}, method="m", config_digest="c")
        assert hidden_names(tmp_path) == []

    def test_the_key_that_the_format_reserves_is_refused(self, tmp_path: Path) -> None:
        tensors = {"t": {"__metadata__": torch.ones(1)}}
        with pytest.raises(ValueError, match="reserved"):
            a_store(tmp_path).save(tensors=tensors, facts={}, position={}, method="m", config_digest="c")

    def test_nothing_in_a_checkpoint_is_a_pickle(self, tmp_path: Path) -> None:
        save(a_store(tmp_path), 1)
        files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".writing"]
        assert sorted(path.suffix for path in files) == [".json", ".json", ".safetensors", ".safetensors"]
        assert all(json.loads(path.read_bytes()) for path in files if path.suffix == ".json")

    def test_the_size_is_that_of_all_files(self, tmp_path: Path) -> None:
        store = a_store(tmp_path)
        save(store, 1)
        save(store, 2)
        store.rollback(1)
        assert store.size_bytes() == sum(
            path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()
        )
        assert store.size_bytes() > store.entries()[0].size_bytes > 0


class TestPrune:
    def test_the_last_n_readable_stay(self, tmp_path: Path) -> None:
        store = a_store(tmp_path, keep=2)
        for value in range(1, 6):
            save(store, value)
        assert store.prune() == [1, 2, 3]
        assert numbers(store) == [4, 5]
        assert store.oldest_position() == {"0": 4}
        assert store.prune() == []
        assert hidden_names(tmp_path) == []

    def test_damaged_ones_do_not_count_and_are_evidence_until_they_are_older_than_all_kept(
        self, tmp_path: Path
    ) -> None:
        store = a_store(tmp_path, keep=2)
        for value in range(1, 6):
            save(store, value)
        store.oldest_position()  # has verified what is spoiled now
        for number in (2, 4):
            spoil(tmp_path / f"{number:012d}" / "model.safetensors")
        assert store.prune() == [1, 2]
        assert numbers(store) == [3, 4, 5]
        assert store.oldest_position() == {"0": 3}
        save(store, 6)
        assert store.prune() == [3, 4]

    def test_nothing_is_deleted_where_nothing_can_be_read(self, tmp_path: Path) -> None:
        store = a_store(tmp_path, keep=1)
        for value in (1, 2, 3):
            save(store, value)
            spoil(tmp_path / f"{value:012d}" / "facts.json")
        assert store.prune() == []
        assert numbers(store) == [1, 2, 3]

    def test_keeping_none_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"checkpoint\.keep is 0"):
            a_store(tmp_path, keep=0)


class TestRollback:
    def test_an_earlier_one_becomes_the_newest_and_later_ones_are_set_aside(self, tmp_path: Path) -> None:
        store = a_store(tmp_path, keep=5)
        for value in (1, 2, 3, 4):
            save(store, value)
        store.rollback(2)
        assert value_of(store.latest()) == 2
        assert numbers(store) == [1, 2]
        assert sorted(path.name for path in (tmp_path / "rolled-back").iterdir()) == [
            "000000000003",
            "000000000004",
        ]
        assert save(store, 9) == 5
        assert numbers(a_store(tmp_path)) == [1, 2, 5]
        assert hidden_names(tmp_path) == []

    def test_the_newest_can_be_rolled_back_to_without_effect(self, tmp_path: Path) -> None:
        store = a_store(tmp_path)
        save(store, 1)
        save(store, 2)
        store.rollback(2)
        assert numbers(store) == [1, 2] and not (tmp_path / "rolled-back").exists()

    def test_a_damaged_one_is_refused_as_a_target_and_stays_where_it_is(self, tmp_path: Path) -> None:
        store = a_store(tmp_path)
        save(store, 1)
        save(store, 2)
        spoil(tmp_path / "000000000001" / "facts.json")
        with pytest.raises(CheckpointError, match=r"cannot be rolled back to.*altered"):
            store.rollback(1)
        assert value_of(store.latest()) == 2

    def test_what_was_set_aside_can_be_taken_back_by_hand(self, tmp_path: Path) -> None:
        store = a_store(tmp_path)
        save(store, 1)
        save(store, 2)
        store.rollback(1)
        (tmp_path / "rolled-back" / "000000000002").rename(tmp_path / "000000000002")
        assert value_of(a_store(tmp_path).latest()) == 2

    def test_prune_bounds_what_is_set_aside(self, tmp_path: Path) -> None:
        store = a_store(tmp_path, keep=2)
        for value in range(1, 7):
            save(store, value)
        store.rollback(2)
        store.prune()
        assert sorted(path.name for path in (tmp_path / "rolled-back").iterdir()) == [
            "000000000005",
            "000000000006",
        ]
        assert save(store, 7) == 7
