"""The checkpoint store finds every altered byte and falls back to what is whole."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from streamlearner.errors import CheckpointError, NoReadableCheckpoint
from tests.support.checkpoint_store import a_store, save, spoil, value_of


class TestDamage:
    @pytest.mark.parametrize(
        "name", ["manifest.json", "facts.json", "model.safetensors", "memory.safetensors"]
    )
    def test_any_altered_byte_and_any_truncation_is_found(self, tmp_path: Path, name: str) -> None:
        store = a_store(tmp_path)
        number = save(store, 1)
        path = tmp_path / f"{number:012d}" / name
        whole = path.read_bytes()
        chance = random.Random(name)
        sampled = {0, len(whole) - 1, *chance.sample(range(len(whole)), min(60, len(whole)))}
        for at in sorted(sampled):
            altered = bytes([whole[at] ^ (1 << chance.randrange(8))])
            for data in (whole[:at] + altered + whole[at + 1 :], whole[:at], whole[:at] + whole[at + 1 :]):
                path.write_bytes(data)
                assert len(store.verify(number)) == 1, (name, at)
                with pytest.raises(CheckpointError):
                    store.load(number)
        path.write_bytes(whole + b" ")
        assert store.verify(number) != []
        path.unlink()
        assert store.verify(number) != []
        path.write_bytes(whole)
        assert store.verify(number) == []

    def test_a_damaged_newest_is_skipped_and_reported(self, tmp_path: Path) -> None:
        store = a_store(tmp_path)
        for value in (1, 2, 3, 4):
            save(store, value)
        spoil(tmp_path / "000000000004" / "model.safetensors")
        (tmp_path / "000000000003" / "manifest.json").unlink()
        found = store.latest()
        assert found is not None and value_of(found) == 2
        assert [entry.number for entry in found.skipped] == [4, 3]
        assert "model.safetensors is altered" in str(found.skipped[0].problem)
        assert [(entry.number, entry.ok) for entry in store.entries()] == [
            (1, True),
            (2, True),
            (3, False),
            (4, False),
        ]
        assert [entry.examples for entry in store.entries()] == [10, 20, None, 40]

    def test_a_new_checkpoint_never_takes_the_number_of_a_damaged_one(self, tmp_path: Path) -> None:
        store = a_store(tmp_path)
        save(store, 1)
        save(store, 2)
        spoil(tmp_path / "000000000002" / "facts.json")
        assert save(store, 3) == 3
        assert value_of(store.latest()) == 3

    def test_when_none_can_be_read_it_says_why_for_each(self, tmp_path: Path) -> None:
        store = a_store(tmp_path)
        save(store, 1)
        save(store, 2)
        spoil(tmp_path / "000000000001" / "facts.json")
        shutil.rmtree(tmp_path / "000000000002")
        (tmp_path / "000000000002").mkdir()
        with pytest.raises(
            NoReadableCheckpoint, match=r"(?s)2/manifest.json cannot be read.*facts.json is altered"
        ) as caught:
            store.latest()
        assert caught.value.exit_code == 74
        assert store.oldest_position() is None

    def test_all_problems_of_one_checkpoint_are_listed(self, tmp_path: Path) -> None:
        store = a_store(tmp_path)
        number = save(store, 1)
        spoil(tmp_path / f"{number:012d}" / "facts.json")
        (tmp_path / f"{number:012d}" / "model.safetensors").unlink()
        assert len(store.verify(number)) == 2

    def test_a_copied_directory_is_not_taken_for_another_checkpoint(self, tmp_path: Path) -> None:
        store = a_store(tmp_path)
        save(store, 1)
        shutil.copytree(tmp_path / "000000000001", tmp_path / "000000000009")
        found = store.latest()
        assert found is not None and found.number == 1
        assert "is that of checkpoint 1" in str(found.skipped[0].problem)

    def test_a_manifest_of_a_later_format_names_the_version_to_run(self, tmp_path: Path) -> None:
        store = a_store(tmp_path)
        number = save(store, 1)
        later = replace(store.load(number).manifest, format=9, code_version="9.0")
        (tmp_path / f"{number:012d}" / "manifest.json").write_bytes(later.to_bytes())
        assert "format 9 of version 9.0" in store.verify(number)[0]

    def test_an_absent_number_is_an_error_that_names_those_there_are(self, tmp_path: Path) -> None:
        store = a_store(tmp_path)
        save(store, 1)
        save(store, 2)
        for call in (store.load, store.verify, store.rollback):
            with pytest.raises(CheckpointError, match=r"no checkpoint 7 .*there are 1, 2"):
                call(7)

    def test_strange_names_in_the_folder_are_passed_over(self, tmp_path: Path) -> None:
        (tmp_path / "lost+found").mkdir()
        (tmp_path / "12").mkdir()
        (tmp_path / "000000000099").write_text("a file")
        store = a_store(tmp_path)
        assert save(store, 1) == 1
        assert value_of(store.latest()) == 1
