"""Plots can be read: names keep off each other, colours differ for the colour-blind too."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("matplotlib")

from matplotlib.text import Text
from PIL import Image

from streamlearner.bench.plots.drawing import (
    COLOURS,
    INK,
    MARKERS,
    Drawing,
    name_ends,
    name_points,
    spread_out,
    style,
    styled,
)
from tests.support import pictures

CLOSE = [(0.50, 0.50, "one name", INK), (0.51, 0.505, "another name", INK), (0.99, 0.9, "far right", INK)]
SIGHT = {
    "usual": np.eye(3),
    "without red cones": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "without green cones": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
"""What linear RGB becomes (Machado, Oliveira and Fernandes, 2009, severity 1)."""
XYZ = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]])
WHITE = XYZ.sum(1)


def linear(colour: str) -> NDArray[np.float64]:
    """#rrggbb of sRGB as linear light."""
    values = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE L*a*b*."""
    ratio = XYZ @ light.clip(0, 1) / WHITE
    x, y, z = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def nearest(colours: tuple[str, ...], sight: str) -> float:
    """The least distance (CIE 1976) of any two as this sight has them."""
    seen = [lab(SIGHT[sight] @ linear(colour)) for colour in colours]
    return min(float(np.linalg.norm(one - other)) for one, other in combinations(seen, 2))


@pytest.mark.parametrize("sight", SIGHT)
def test_the_first_nine_colours_differ_whatever_the_sight(sight: str) -> None:
    assert nearest(COLOURS[:9], sight) > 14


def test_all_colours_differ_and_can_be_read_on_white() -> None:
    assert nearest(COLOURS, "usual") > 17
    contrasts = [1.05 / (float(linear(colour) @ XYZ[1]) + 0.05) for colour in COLOURS]
    assert min(contrasts) > 3


def test_each_arm_has_a_colour_and_a_marker_of_its_own_and_ours_the_first() -> None:
    arms = styled(["er", "ours", "er", *(f"arm {number}" for number in range(11))])
    assert [arm.name for arm in arms[:2]] == ["ours", "er"]
    assert (arms[0].colour, arms[0].marker) == (COLOURS[0], MARKERS[0])
    assert len({arm.colour for arm in arms}) == len({arm.marker for arm in arms}) == len(arms) == 13


def test_names_of_points_keep_off_each_other_and_inside_the_panel() -> None:
    (panel,) = Drawing("points", quick=False, size=(6, 4)).panels
    panel.set_xlim(0, 1)
    panel.set_ylim(0, 1)
    name_points(panel, CLOSE)
    names = panel.texts
    assert [name.get_text() for name in names] == ["one name", "another name", "far right"]
    boxes = [name.get_window_extent() for name in names]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(panel.bbox.x0 <= box.x0 and box.x1 <= panel.bbox.x1 for box in boxes)


def test_names_of_lines_keep_off_each_other_and_inside_the_picture() -> None:
    drawing = Drawing("lines", quick=False, size=(6, 4))
    (panel,) = drawing.panels
    style(panel, "", x="examples", ratio=True)
    ends = [(1.0, 0.01 * number, arm) for number, arm in enumerate(styled(["ours", "er", "a long name"]))]
    name_ends(panel, ends)
    drawing.figure.draw_without_rendering()
    boxes = [Text.get_window_extent(name) for name in panel.texts]  # an annotation's own has its line too
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(panel.bbox.y0 - 10 < box.y0 and box.x1 <= drawing.figure.bbox.x1 for box in boxes)


def test_heights_that_are_far_apart_stay_and_close_ones_part_both_ways() -> None:
    assert spread_out([0.9, 0.5, 0.1], gap=0.1, low=0, high=1) == pytest.approx([0.9, 0.5, 0.1])
    assert spread_out([0.9, 0.5, 0.5], gap=0.1, low=0, high=1) == pytest.approx([0.9, 0.55, 0.45])
    assert spread_out([0.02, 0.01, 0.0], gap=0.1, low=0, high=1) == pytest.approx([0.2, 0.1, 0.0])


def test_the_same_drawing_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        drawing = Drawing("a line", quick=True, size=(3, 2))
        drawing.panels[0].plot([0, 1], [0, 1])
        drawing.save(tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_the_pictures_of_the_docs_can_be_drawn_from_the_committed_results(tmp_path: Path) -> None:
    pictures.retention("mnist-split", "Split-MNIST", tmp_path / "retention.png")
    with Image.open(tmp_path / "retention.png") as image:
        assert image.width > image.height > 500
