"""How large batches were is read again as it was noted, and a note that is torn is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamlearner.state.batch_paces import KEPT, BatchPaces, Pace, Stretch


def test_what_was_decided_outlives_the_process(tmp_path: Path) -> None:
    noted = BatchPaces(tmp_path / "paces")
    for start, size in ((0, 10), (20, 10), (40, 20), (60, 10)):
        noted.add(Stretch(start, start + 20, Pace(size)))
    again = BatchPaces(tmp_path / "paces")
    first = Stretch(0, 40, Pace(10))  # one of two that were alike
    assert [again.at(n) for n in (0, 39)] == [first, first]
    assert again.at(45) == Stretch(40, 60, Pace(20))
    assert again.at(80) is None


def test_what_was_decided_is_bounded(tmp_path: Path) -> None:
    noted = BatchPaces(tmp_path / "paces")
    for n in range(KEPT + 5):
        noted.add(Stretch(10 * n, 10 * n + 10, Pace(10 + n % 2)))
    again = BatchPaces(tmp_path / "paces")
    assert again.at(40) is None
    assert again.at(50) is not None


@pytest.mark.parametrize(
    "torn",
    ["", "[[1, 2", "{}", '["a"]', "[[0, 20, 0, 1]]", "[[0, 20, 10]]", "[[20, 0, 10, 1]]", "[[0, 9.5, 1, 1]]"],
)
def test_a_note_that_cannot_be_read_is_none(tmp_path: Path, torn: str) -> None:
    (tmp_path / "paces").write_text(torn)
    assert BatchPaces(tmp_path / "paces").at(0) is None
