"""The checkpoint store survives a disk that refuses, and other processes at work beside it."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamlearner.commands.main import app
from streamlearner.errors import CheckpointError
from streamlearner.state.checkpoint import CheckpointInfo, CheckpointStore
from streamlearner.state.disk import LOCAL_DISK, LocalDisk
from tests.support.checkpoint_store import (
    a_store,
    disk_error,
    hidden_names,
    numbers,
    save,
    survives,
    value_of,
)


class TestRefusedByTheDisk:
    @pytest.mark.parametrize(
        ("code", "mend"),
        [
            (errno.ENOSPC, "bytes are free"),
            (errno.EDQUOT, "quota"),
            (errno.EROFS, "mount"),
            (errno.EACCES, "permission"),
            (errno.EIO, "kernel log"),
            (errno.EMFILE, "local disk"),
        ],
    )
    def test_the_error_says_what_where_and_how_to_mend_it(self, tmp_path: Path, code: int, mend: str) -> None:
        save(a_store(tmp_path), 1)
        store = a_store(tmp_path, fault=disk_error("model.safetensors written", code))
        with pytest.raises(CheckpointError, match="the checkpoint was not written") as caught:
            save(store, 2)
        text = str(caught.value)
        assert errno.errorcode[code] in text and mend in text
        assert str(tmp_path / ".tmp-000000000002" / "model.safetensors") in text

    def test_a_full_disk_that_cannot_say_how_full_it_is_gives_the_same_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(folder: Path) -> int:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        save(a_store(tmp_path), 1)
        store = a_store(tmp_path, fault=disk_error("model.safetensors written", errno.ENOSPC))
        monkeypatch.setattr(LOCAL_DISK, "free_bytes", refused)
        with pytest.raises(CheckpointError, match=r"ENOSPC.*cannot be asked .*: free some more"):
            save(store, 2)
        assert numbers(a_store(tmp_path)) == [1]

    def test_at_every_step_the_old_checkpoints_stay_good_and_nothing_is_left_over(
        self, tmp_path: Path
    ) -> None:
        steps: list[str] = []
        save(a_store(tmp_path, fault=steps.append), 1)
        assert len(steps) >= 15
        for step in steps:
            with pytest.raises(CheckpointError, match="ENOSPC"):
                save(a_store(tmp_path, fault=disk_error(step, errno.ENOSPC)), 2)
            assert numbers(a_store(tmp_path)) == [1]
            assert hidden_names(tmp_path) == []
        assert save(a_store(tmp_path), 2) == 2

    def test_a_real_limit_on_file_size_is_survived(self, tmp_path: Path) -> None:
        save(a_store(tmp_path), 1)

        def child() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
            with pytest.raises(CheckpointError, match=r"EFBIG.*model\.safetensors; raise the limit"):
                save(a_store(tmp_path), 2, numel=100_000)
            assert value_of(a_store(tmp_path).latest()) == 1
            assert hidden_names(tmp_path) == []

        assert survives(child)

    def test_a_rollback_that_cannot_be_made_durable_does_not_happen(self, tmp_path: Path) -> None:
        for value in (1, 2, 3):
            save(a_store(tmp_path), value)
        with pytest.raises(CheckpointError, match="rollback did not happen"):
            a_store(tmp_path, fault=disk_error("rollback marked", errno.EIO)).rollback(1)
        assert numbers(a_store(tmp_path)) == [1, 2, 3]

    def test_a_rollback_whose_moves_fail_has_happened_and_the_moves_follow(self, tmp_path: Path) -> None:
        for value in (1, 2, 3):
            save(a_store(tmp_path), value)
        store = a_store(tmp_path, fault=disk_error("later directory set aside", errno.EIO))
        store.rollback(1)
        assert numbers(store) == [1]
        assert save(a_store(tmp_path), 4) == 4
        assert numbers(a_store(tmp_path)) == [1, 4]

    @pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
    def test_a_folder_that_may_only_be_read_can_be_read(self, tmp_path: Path) -> None:
        save(a_store(tmp_path / "s"), 1)
        (tmp_path / "s").chmod(0o555)
        try:
            assert value_of(a_store(tmp_path / "s").latest()) == 1
            with pytest.raises(CheckpointError, match="EACCES"):
                save(a_store(tmp_path / "s"), 2)
        finally:
            (tmp_path / "s").chmod(0o755)

    def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(CheckpointError, match=r"folder cannot be made.*file/checkpoints"):
            a_store(tmp_path / "file" / "checkpoints")


class TestTwoAtWork:
    def test_a_second_writer_is_refused_and_neither_deletes_what_the_first_is_writing(
        self, tmp_path: Path
    ) -> None:
        refusals = []

        def fault(step: str) -> None:
            if step == "model.safetensors synced":
                other = a_store(tmp_path)  # opening must not take the first one's work for a leftover
                for call in (lambda: save(other, 9), other.prune, lambda: other.rollback(1)):
                    with pytest.raises(CheckpointError, match="another writer"):
                        call()
                    refusals.append(step)

        save(a_store(tmp_path), 1)
        save(a_store(tmp_path, fault=fault), 2)
        assert len(refusals) == 3
        assert value_of(a_store(tmp_path).latest()) == 2

    def test_a_reader_beside_a_writer_sees_the_last_complete_checkpoint_at_every_step(
        self, tmp_path: Path
    ) -> None:
        reader = a_store(tmp_path)
        seen: list[int | None] = []
        writer = a_store(tmp_path, fault=lambda step: seen.append(value_of(reader.latest())))
        save(writer, 1)
        assert set(seen) == {None, 1}
        assert seen == [None] * seen.count(None) + [1] * seen.count(1)

    def test_one_that_the_writer_prunes_in_mid_read_is_passed_over(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writer, read = a_store(tmp_path, keep=1), LOCAL_DISK.read
        save(writer, 1)

        def read_late(disk: LocalDisk, path: Path) -> bytes:
            monkeypatch.undo()
            save(writer, 2)
            assert writer.prune() == [1]
            return read(path)

        monkeypatch.setattr(LocalDisk, "read", read_late)
        assert value_of(a_store(tmp_path).latest()) == 2

    def test_one_that_the_writer_prunes_once_it_was_listed_does_not_stop_the_others_from_being_verified(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writer, entries = a_store(tmp_path / "checkpoints", keep=1), CheckpointStore.entries
        save(writer, 1)
        save(writer, 2)

        def listed(store: CheckpointStore) -> list[CheckpointInfo]:
            found = entries(store)
            writer.prune()
            return found

        monkeypatch.setattr(CheckpointStore, "entries", listed)
        verified = CliRunner().invoke(app, ["checkpoint", "verify", "--set", f"state_dir={tmp_path}"])
        assert (verified.exit_code, verified.output) == (0, "1: good\n2: good\n")
        monkeypatch.undo()
        assert numbers(writer) == [2]
