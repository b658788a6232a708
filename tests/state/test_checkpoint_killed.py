"""The checkpoint store survives kill -9 at any instant."""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path

from tests.support.checkpoint_store import (
    Action,
    a_store,
    hidden_names,
    kill_at,
    numbers,
    prepared,
    save,
    survives,
    value_of,
)


class TestKilled:
    def instants_of(self, tmp_path: Path, action: Action, keep: int) -> int:
        steps: list[str] = []
        store = a_store(prepared(tmp_path / "rehearsal", 4), keep=keep, fault=steps.append)
        action(store)
        return len(steps)

    def each_kill(self, tmp_path: Path, action: Action, keep: int) -> list[Path]:
        """One folder for each instant: four checkpoints, and a process killed at that instant of `action`."""
        template = prepared(tmp_path / "template", 4)
        folders = []
        for instant in range(self.instants_of(tmp_path, action, keep)):
            folder = tmp_path / f"killed-{instant:02d}"
            shutil.copytree(template, folder)
            assert not survives(lambda: action(a_store(folder, keep=keep, fault=kill_at(instant))))  # noqa: B023
            folders.append(folder)
        return folders

    def test_while_saving_the_store_opens_at_the_old_or_the_new_checkpoint(self, tmp_path: Path) -> None:
        found = []
        for folder in self.each_kill(tmp_path, lambda store: save(store, 5, numel=100_000), keep=3):
            store = a_store(folder)
            found.append(value_of(store.latest()))
            assert all(entry.ok for entry in store.entries())
            assert hidden_names(folder) == []
            assert save(store, 6) == (store_number := found[-1] or 0) + 1, store_number
        assert len(found) >= 15
        assert found == sorted(found), "once the new one is there it stays"
        assert set(found) == {4, 5}

    def test_while_pruning_the_kept_ones_are_untouched_and_the_rest_goes_at_the_next_prune(
        self, tmp_path: Path
    ) -> None:
        folders = self.each_kill(tmp_path, lambda store: store.prune(), keep=2)
        assert len(folders) >= 4
        for folder in folders:
            store = a_store(folder, keep=2)
            assert hidden_names(folder) == []
            assert all(entry.ok for entry in store.entries())
            assert numbers(store)[-2:] == [3, 4]
            store.prune()
            assert numbers(store) == [3, 4]

    def test_while_rolling_back_all_later_ones_are_there_or_none(self, tmp_path: Path) -> None:
        found = []
        for folder in self.each_kill(tmp_path, lambda store: store.rollback(1), keep=3):
            reader_first = {path.name for path in folder.iterdir()}
            store = a_store(folder)
            assert hidden_names(folder) == []
            found.append(tuple(numbers(store)))
            assert value_of(store.latest()) == found[-1][-1]
            assert save(store, 9) == 5, reader_first
        assert len(found) >= 6
        assert set(found) <= {(1, 2, 3, 4), (1,)} and (1,) in found

    def test_a_reader_sees_an_interrupted_rollback_as_done_before_anyone_has_moved_anything(
        self, tmp_path: Path
    ) -> None:
        folder = prepared(tmp_path / "store", 4)
        steps: list[str] = []

        def fault(step: str) -> None:
            steps.append(step)
            if step == "rollback synced":
                seen.append(numbers(reader))

        seen: list[list[int]] = []
        reader = a_store(folder)
        a_store(folder, fault=fault).rollback(2)
        assert seen == [[1, 2]]
        assert steps.index("rollback synced") < steps.index("later directory set aside")

    def test_while_cleaning_up_after_an_earlier_kill_nothing_is_lost(self, tmp_path: Path) -> None:
        template = prepared(tmp_path / "template", 3)
        (template / ".tmp-000000000004").mkdir()
        (template / ".tmp-000000000004" / "facts.json").write_text("{")
        (template / ".rollback-000000000001-000000000003").touch()
        for instant in range(20):
            folder = tmp_path / f"{instant}"
            shutil.copytree(template, folder)
            done = survives(lambda: a_store(folder, fault=kill_at(instant)) and None)  # noqa: B023
            store = a_store(folder)
            assert numbers(store) == [1] and hidden_names(folder) == []
            if done:
                break
        assert done and instant >= 4

    def test_at_random_instants_of_a_run_of_saves_prunes_and_rollbacks_the_store_is_never_torn(
        self, tmp_path: Path
    ) -> None:
        chance = random.Random(5)

        def run() -> None:
            store = a_store(tmp_path / "s", keep=2, fault=kill_at(kill))
            for _ in range(20):
                highest = max(numbers(store), default=0)
                save(store, highest + 1)
                store.prune()
                if highest % 3 == 0 and highest:
                    store.rollback(numbers(store)[0])

        for _ in range(25):
            kill = chance.randrange(1, 150)
            assert not survives(run)
            store = a_store(tmp_path / "s", keep=2)
            assert all(entry.ok for entry in store.entries())
            value_of(store.latest())

    def test_from_outside_at_any_moment_the_store_is_never_torn(self, tmp_path: Path) -> None:
        chance = random.Random(6)

        def run() -> None:
            timer = chance.uniform(0.001, 0.1)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, timer)
            store = a_store(tmp_path / "s", keep=2)
            for _ in range(10_000):
                save(store, max(numbers(store), default=0) + 1, numel=200_000)
                store.prune()

        highest = []
        for _ in range(15):
            chance.random()
            assert not survives(run, killed_by=signal.SIGALRM)
            store = a_store(tmp_path / "s", keep=2)
            assert all(entry.ok for entry in store.entries())
            highest.append(value_of(store.latest()) or 0)
        assert highest == sorted(highest) and highest[-1] > 1, "a durable checkpoint is never lost"
