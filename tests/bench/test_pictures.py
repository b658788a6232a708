"""Names in a picture can be read."""

from __future__ import annotations

from itertools import combinations

import pytest

pytest.importorskip("matplotlib")

from streamlearner.bench.plots.retention_plot import INK, label_points, plots

CLOSE = [(0.50, 0.50, "one name", INK), (0.51, 0.505, "another name", INK), (0.99, 0.9, "far right", INK)]


def test_names_of_points_keep_off_each_other_and_inside_the_axes() -> None:
    picture = plots()(figsize=(6, 4), layout="constrained")
    axes = picture.add_subplot()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    label_points(axes, CLOSE)
    names = axes.texts
    assert [name.get_text() for name in names] == ["one name", "another name", "far right"]
    boxes = [name.get_window_extent() for name in names]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 for box in boxes)
