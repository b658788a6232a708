"""Adopted versions stay as they were written, and only the last few stay at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from streamlearner.errors import CheckpointError
from streamlearner.state.versions import Lineage, Version, Versions


def a_neocortex(value: float) -> dict[str, Tensor]:
    picture = torch.full((2, 3, 4, 4), value).to(memory_format=torch.channels_last)
    return {"body.weight": picture, "head.bias": torch.full((5,), value), "steps": torch.tensor(int(value))}


def a_version(number: int, value: float, network: str | None = "lenet") -> Version:
    return Version(number, network, a_neocortex(value))


def test_what_was_saved_is_loaded_exactly(tmp_path: Path) -> None:
    versions = Versions(tmp_path / "versions", keep=3)
    versions.save(a_version(1, 2.0))
    loaded = versions.load(1).neocortex
    assert loaded.keys() == a_neocortex(2.0).keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in a_neocortex(2.0).items())


@pytest.mark.parametrize("network", ["resnet18_reduced", None])
def test_a_version_names_its_network_where_that_was_written_down(tmp_path: Path, network: str | None) -> None:
    versions = Versions(tmp_path, keep=1)
    versions.save(a_version(3, 1.0, network))
    assert (versions.load(3).number, versions.load(3).network) == (3, network)


def test_the_newest_are_kept_in_order_of_their_numbers(tmp_path: Path) -> None:
    versions = Versions(tmp_path, keep=3)
    for number in (1, 2, 9, 10, 11):
        versions.save(a_version(number, number))
    assert versions.numbers() == [9, 10, 11]
    assert float(versions.load(9).neocortex["head.bias"][0]) == 9.0


def test_the_same_version_again_replaces_it(tmp_path: Path) -> None:
    versions = Versions(tmp_path, keep=2)
    versions.save(a_version(1, 1.0))
    versions.save(a_version(2, 2.0))
    versions.save(a_version(2, 2.5))
    assert versions.numbers() == [1, 2]
    assert float(versions.load(2).neocortex["head.bias"][0]) == 2.5


def test_a_version_that_is_not_kept_is_named_with_those_that_are(tmp_path: Path) -> None:
    versions = Versions(tmp_path, keep=2)
    with pytest.raises(LookupError, match="version 4 is not kept; kept are none yet"):
        versions.load(4)
    versions.save(a_version(5, 5.0))
    with pytest.raises(LookupError, match=r"version 4 is not kept; kept are \[5\]"):
        versions.load(4)


def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    versions = Versions(tmp_path, keep=2)
    versions.save(a_version(1, 1.0))
    (path,) = tmp_path.glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(CheckpointError, match=rf"version 1 in {path} cannot be read"):
        versions.load(1)


def test_any_bit_that_changed_is_an_error_and_never_other_weights(tmp_path: Path) -> None:
    versions = Versions(tmp_path, keep=2)
    versions.save(a_version(1, 1.0))
    (path,) = tmp_path.glob("*.safetensors")
    written = path.read_bytes()
    for place in range(len(written)):
        path.write_bytes(written[:place] + bytes([written[place] ^ 1 << place % 8]) + written[place + 1 :])
        try:
            found = versions.load(1)
        except CheckpointError:
            continue
        assert found.neocortex.keys() == a_neocortex(1.0).keys(), f"byte {place}"
        assert all(torch.equal(found.neocortex[n], t) for n, t in a_neocortex(1.0).items()), f"byte {place}"


def test_a_version_of_before_versions_were_sealed_is_loaded(tmp_path: Path) -> None:
    described = {"description": json.dumps({"format": 2, "network": "mlp"})}
    (tmp_path / "000003.safetensors").write_bytes(safetensors.torch.save({"w": torch.ones(2)}, described))
    assert Versions(tmp_path, keep=1).load(3).neocortex["w"].tolist() == [1, 1]


def test_what_a_crash_left_behind_is_no_version_and_goes_with_the_next(tmp_path: Path) -> None:
    versions = Versions(tmp_path, keep=2)
    versions.save(a_version(1, 1.0))
    for name in (".tmp-2", ".tmp-1", "notes.txt", "latest.safetensors"):
        (tmp_path / name).write_bytes(b"half")
    assert versions.numbers() == [1]
    versions.save(a_version(2, 2.0))
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"000001.safetensors", "000002.safetensors", "notes.txt", "latest.safetensors"}


def test_a_disk_that_refuses_is_a_checkpoint_error_and_the_old_versions_stay(tmp_path: Path) -> None:
    versions = Versions(tmp_path / "versions", keep=2)
    versions.save(a_version(1, 1.0))
    (tmp_path / "versions" / ".tmp-2").mkdir()
    with pytest.raises(CheckpointError, match="version 2 was not written"):
        versions.save(a_version(2, 2.0))
    assert versions.numbers() == [1]


def test_saving_leaves_the_neocortex_alone(tmp_path: Path) -> None:
    neocortex = {"weight": torch.nn.Parameter(torch.ones(2, 2).T)}
    Versions(tmp_path, keep=1).save(Version(1, "mlp", neocortex))
    assert neocortex["weight"].requires_grad
    assert not Versions(tmp_path, keep=1).load(1).neocortex["weight"].requires_grad


def test_no_single_bit_takes_what_was_used_up(tmp_path: Path) -> None:
    versions = Versions(tmp_path, keep=1)
    versions.use_up(Lineage(newest=12, rollbacks=3))
    written = (tmp_path / "lineage.json").read_bytes()
    for place in range(8 * len(written)):
        changed = bytearray(written)
        changed[place // 8] ^= 1 << place % 8
        (tmp_path / "lineage.json").write_bytes(changed)
        assert versions.lineage() == Lineage(newest=12, rollbacks=3), f"bit {place}"


def test_what_was_used_up_is_read_as_it_was_written_at_first(tmp_path: Path) -> None:
    (tmp_path / "lineage.json").write_text('{"newest": 4, "rollbacks": 1}')
    assert Versions(tmp_path, keep=1).lineage() == Lineage(newest=4, rollbacks=1)


@pytest.mark.parametrize(
    "damaged", ["", "{", '{"newest": 4, "rollbacks": 1, "sha256": "0"}', "[1, 2]", '{"newest": 4}\n{}']
)
def test_where_it_cannot_be_read_no_number_is_used_again(tmp_path: Path, damaged: str) -> None:
    """Rollbacks are counted from where none has been, and each further time from there."""
    versions, path = Versions(tmp_path, keep=2), tmp_path / "lineage.json"
    versions.save(a_version(7, 1.0))
    for time in (1, 2, 3):
        path.write_text(damaged)
        assert versions.lineage() == versions.lineage() == Lineage(newest=7, rollbacks=1_000 * time)
        versions.use_up(Lineage(newest=7, rollbacks=1_000 * time + 1))
        assert versions.lineage() == Lineage(newest=7, rollbacks=1_000 * time + 1)
        assert (tmp_path / f"lineage.json.unreadable-{time}").read_text() == damaged


def test_a_disk_that_does_not_give_it_is_an_error_and_no_guess(tmp_path: Path) -> None:
    (tmp_path / "lineage.json").mkdir()
    with pytest.raises(CheckpointError, match=r"lineage\.json cannot be read"):
        Versions(tmp_path, keep=1).lineage()
