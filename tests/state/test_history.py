from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from streamlearner.state.history import SMALLEST_BITS, History, HistoryUnreadable, Mark
from streamlearner.state.samples import Sample, combined

EVER = (0.0, 1e12)
CLASSES = 300


@pytest.fixture
def history(tmp_path: Path) -> History:
    return made(tmp_path)


def made(folder: Path, *, budget_bits: int = SMALLEST_BITS) -> History:
    return History(folder / "history.sqlite", budget_bits=budget_bits, now_s=lambda: 7.0)


def fill(history: History, count: int, *, every_s: float = 5.0, start_s: float = 600_000.0) -> None:
    """Of a stream that learns three examples in a second, forgetting as it goes."""
    for number in range(count):
        means = {f"retention/{label}": (number * 7919 + label) % 1009 / 1009 for label in range(CLASSES)}
        sample = Sample(start_s + number * every_s, every_s, means, {"lag": float(number)}, {"learned": 15.0})
        assert history.record(sample=sample)


def test_what_was_recorded_is_there_after_a_restart(history: History, tmp_path: Path) -> None:
    fill(history, 10)
    history.mark("rollback", {"version": 3})
    mark = history.marked.get_nowait()
    assert mark is not None and history.record(marks=[mark])
    assert history.note_version(3, {"last": {"overall": 0.5}})
    history.close()
    again = made(tmp_path)
    found = again.samples(*EVER)
    assert len(found) == 10
    third = found[3]
    assert (third.start_s, third.highs, third.counts) == (600_015.0, {"lag": 3.0}, {"learned": 15})
    assert found[3].means["retention/1"] == pytest.approx((3 * 7919 + 1) % 1009 / 1009, abs=1e-6)
    (only,) = again.marks(*EVER)
    assert (only.at_s, only.kind, only.details) == (7.0, "rollback", {"version": 3})
    assert again.versions() == {3: {"last": {"overall": 0.5}}}
    assert again.first_s == 600_000.0
    again.close()


def test_only_what_lies_in_the_time_asked_for_is_read(history: History) -> None:
    fill(history, 10)
    assert [one.start_s for one in history.samples(600_012.0, 600_021.0)] == [600_010.0, 600_015.0, 600_020.0]


def test_it_is_thinned_with_age_within_its_budget_and_loses_no_count(history: History) -> None:
    fill(history, 800)
    assert history.stored_bits <= SMALLEST_BITS
    found = history.samples(*EVER)
    assert len(found) < 300
    assert sum(one.counts["learned"] for one in found) == pytest.approx(15 * 800)
    assert sum(one.seconds for one in found) == pytest.approx(5 * 800)
    assert found[0].seconds >= 60 and found[-1].seconds == 5
    assert max(one.highs["lag"] for one in found) == 799
    spans = itertools.pairwise(found)
    assert all(later.start_s >= former.start_s + former.seconds - 5 for former, later in spans)


def test_the_oldest_leave_once_the_coarsest_tier_is_full(history: History) -> None:
    fill(history, 300, every_s=86_400.0)
    assert history.stored_bits <= SMALLEST_BITS
    first_s = history.first_s
    assert first_s is not None and first_s > 600_000.0


def test_a_smaller_budget_holds_from_the_next_sample_on(tmp_path: Path) -> None:
    history = made(tmp_path, budget_bits=16 * SMALLEST_BITS)
    fill(history, 800)
    assert history.stored_bits > SMALLEST_BITS
    history.close()
    smaller = made(tmp_path)
    fill(smaller, 2, start_s=1_000_000.0)
    smaller.close()
    again = made(tmp_path)
    assert again.stored_bits <= SMALLEST_BITS
    assert len(again.samples(*EVER)) > 50
    again.close()


def test_the_mean_of_spans_is_by_their_length_and_of_what_was_known() -> None:
    short, long = Sample(0.0, 1.0, {"a": 1.0, "b": 2.0}), Sample(1.0, 3.0, {"a": 5.0}, {}, {"n": 2.0})
    merged = combined([short, long])
    assert (merged.start_s, merged.seconds) == (0.0, 4.0)
    assert merged.means == {"a": 4.0, "b": 2.0} and merged.counts == {"n": 2.0}


@pytest.mark.parametrize("damage", ["noise", "truncated", "header"])
def test_a_damaged_history_is_set_aside_for_a_new_one(tmp_path: Path, damage: str) -> None:
    history = made(tmp_path)
    fill(history, 300)
    history.close()
    path = tmp_path / "history.sqlite"
    data = bytearray(path.read_bytes())
    if damage == "noise":
        for page in range(1, len(data) // 4096):
            data[page * 4096 : page * 4096 + 64] = os.urandom(64)
    elif damage == "header":
        data[:100] = b"x" * 100
    else:
        del data[len(data) // 2 :]
    path.write_bytes(data)
    again = made(tmp_path)
    sample = Sample(1.0, 5.0, {"retention": 0.5})
    assert any(again.record(sample=sample) for _ in range(2))
    assert 1.0 in [one.start_s for one in again.samples(*EVER)]
    assert (tmp_path / "history.sqlite.damaged").exists()
    again.close()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_history_that_is_taken_away_while_it_is_open_makes_room_for_a_new_one(
    tmp_path: Path, replaced: bool, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "other").mkdir()
    history, other = made(tmp_path), made(tmp_path / "other")
    fill(history, 30)
    assert other.record(sample=Sample(1.0, 5.0))
    other.close()
    (tmp_path / "history.sqlite").unlink()
    if replaced:
        (tmp_path / "other" / "history.sqlite").rename(tmp_path / "history.sqlite")
    assert [one.start_s for one in history.samples(*EVER)] == [1.0] * replaced
    assert history.record(sample=Sample(2.0, 5.0))
    history.close()
    again = made(tmp_path)
    assert [one.start_s for one in again.samples(*EVER)] == [1.0] * replaced + [2.0]
    assert caplog.text.count("a new one begins there") == 1
    again.close()


def test_one_altered_sample_costs_only_itself(tmp_path: Path) -> None:
    history = made(tmp_path)
    fill(history, 20)
    history.close()
    db = sqlite3.connect(tmp_path / "history.sqlite")
    db.execute("UPDATE samples SET body = x'00ff' WHERE start_s = 600010.0")
    db.commit()
    db.close()
    again = made(tmp_path)
    assert len(again.samples(*EVER)) == 19
    fill(again, 300, start_s=601_000.0)  # which passes it on to the next tier
    again.close()


def test_a_disk_that_refuses_costs_what_it_did_not_take_and_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "history.sqlite").mkdir()
    history = made(tmp_path)
    assert not history.record(sample=Sample(1.0, 5.0))
    assert history.failing
    with pytest.raises(HistoryUnreadable, match="cannot be read"):
        history.samples(*EVER)
    (tmp_path / "history.sqlite").rmdir()
    assert history.record(sample=Sample(2.0, 5.0))
    assert history.failing is None
    assert [one.start_s for one in history.samples(*EVER)] == [2.0]
    history.close()


def test_a_full_disk_loses_the_sample_and_keeps_what_was_there(history: History) -> None:
    fill(history, 10)
    db = history._db
    assert db is not None
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count={pages}")  # SQLite answers as on a full disk
    figures = {str(number): number / 7 for number in range(400)}
    taken = [history.record(sample=Sample(1e6 + number, 1.0, figures)) for number in range(9)]
    assert not all(taken) and "full" in str(history.failing)
    assert len(history.samples(600_000.0, 600_050.0)) == 10
    db.execute("PRAGMA max_page_count=200")
    assert history.record(sample=Sample(2e6, 1.0))


_WRITER = """
import sys
from pathlib import Path
from streamlearner.state.history import History
from streamlearner.state.samples import Sample
history = History(Path(sys.argv[1]), budget_bits=8 * 2**20, now_s=lambda: 7.0)
for number in range(10**6):
    assert history.record(sample=Sample(5.0 * number, 5.0, {"retention": 0.5}, {}, {"learned": 15.0}))
    print(number, flush=True)
"""


def test_a_kill_loses_nothing_that_was_recorded(tmp_path: Path) -> None:
    words = [sys.executable, "-c", _WRITER, str(tmp_path / "history.sqlite")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        last = 0
        for line in process.stdout:
            last = int(line)
            if last == 500:
                process.send_signal(signal.SIGKILL)
    history = made(tmp_path)
    found = history.samples(*EVER)
    assert sum(one.counts["learned"] for one in found) >= 15 * (last + 1)
    assert history.failing is None
    history.close()


def test_an_erased_class_is_in_no_file_any_more(history: History, tmp_path: Path) -> None:
    for number in range(30):
        figures = {"retention/Ann Lee": 0.5, "retention/7": 0.25}
        assert history.record(sample=Sample(5.0 * number, 5.0, figures))
    losses = {"losses": {"Ann Lee": {"before": 1.0}, "7": {"before": 0.5}}}
    fell = Mark(2.0, "accuracy_fell", {"label": "Ann Lee"})
    assert history.record(marks=[Mark(1.0, "sleep", losses), fell])
    assert history.note_version(1, {"last": {"by_class": {"Ann Lee": 1.0, "7": 0.5}}})
    (tmp_path / "history.sqlite.damaged").write_text("Ann Lee")
    assert history.erase_classes(["Ann Lee"])
    assert all(one.means == {"retention/7": 0.25} for one in history.samples(*EVER))
    assert [one.details for one in history.marks(*EVER)] == [{"losses": {"7": {"before": 0.5}}}, {}]
    assert history.versions() == {1: {"last": {"by_class": {"7": 0.5}}}}
    assert not [path for path in tmp_path.iterdir() if b"Ann Lee" in path.read_bytes()]


@pytest.mark.parametrize("name", ["first", "overall", "by_class", "losses", "before", "label", "outcome"])
def test_a_class_may_be_called_as_what_is_told_of_classes(history: History, name: str) -> None:
    grade = {"overall": 0.5, "by_class": {name: 1.0, "7": 0.5}}
    version = {"first": grade, "last": grade}
    sleep = {"outcome": "adopted", "losses": {name: {"before": 1.0, "after": 0.5}, "7": {"before": 0.5}}}
    assert history.record(marks=[Mark(1.0, "sleep", sleep), Mark(2.0, "accuracy_fell", {"label": "7"})])
    assert history.note_version(1, version)
    assert history.erase_classes([name])
    rest = {"overall": 0.5, "by_class": {"7": 0.5}}
    assert history.versions() == {1: {"first": rest, "last": rest}}
    assert [one.details for one in history.marks(*EVER)] == [
        {"outcome": "adopted", "losses": {"7": {"before": 0.5}}}, {"label": "7"}
    ]  # fmt: skip
