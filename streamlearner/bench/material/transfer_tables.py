"""Tables 1 and 2 of paper 003: accuracy (%) of students on the test images of MNIST, mean of 5 runs."""

from __future__ import annotations

from collections.abc import Mapping

EPISODES = (10, 100, 1_000, 10_000, 100_000)
TEACHER = 0.9929
COLUMNS = ("lossless 10", "lossless 50", "lossless 100", "real 1", "codes 10", "codes 50", "codes 100")
"""`lossless`: 10, 2 and 1 % of the images; `real`: all of them, labelled by the teacher; `codes`: the paper's
method. The number is the compression."""
TABLES: Mapping[tuple[str, str], tuple[tuple[float, ...], ...]] = {
    ("cnn", "random"): (
        (9.94, 11.07, 10.70, 10.07, 10.65, 10.99, 13.89),
        (18.16, 22.82, 22.35, 25.32, 19.34, 16.20, 21.06),
        (88.88, 90.71, 89.93, 91.01, 90.66, 90.52, 90.03),
        (96.83, 95.98, 94.97, 97.42, 96.77, 96.37, 95.65),
        (97.99, 96.14, 94.92, 98.63, 98.59, 98.17, 97.75),
    ),
    ("cnn", "active"): (
        (11.64, 12.73, 11.65, 11.81, 9.95, 11.04, 10.19),
        (15.34, 22.74, 18.41, 18.55, 14.80, 19.13, 22.57),
        (91.60, 94.20, 93.45, 92.31, 93.45, 93.40, 92.97),
        (97.99, 96.56, 94.47, 98.56, 98.61, 98.20, 97.53),
        (98.21, 96.13, 94.53, 99.19, 99.18, 98.76, 98.25),
    ),
    ("mlp", "random"): (
        (17.04, 14.57, 15.13, 15.87, 16.70, 11.80, 14.66),
        (37.04, 38.35, 34.04, 38.56, 37.16, 40.09, 42.31),
        (79.08, 78.18, 77.76, 80.00, 80.72, 80.00, 77.75),
        (90.84, 88.38, 86.83, 90.86, 91.37, 90.60, 90.46),
        (95.02, 91.61, 88.97, 96.60, 96.71, 96.24, 95.22),
    ),
    ("mlp", "active"): (
        (21.22, 21.28, 21.85, 15.82, 15.76, 18.34, 17.47),
        (54.67, 54.97, 53.61, 46.76, 43.42, 44.29, 45.74),
        (84.46, 85.37, 87.68, 86.14, 83.35, 87.66, 85.71),
        (94.66, 91.77, 89.19, 96.48, 95.96, 95.85, 94.51),
        (95.02, 91.61, 88.97, 98.12, 98.07, 97.67, 96.91),
    ),
}


def paper_accuracy(*, student: str, sampling: str, column: str, episodes: int) -> float | None:
    """The paper's accuracy as a fraction, or None where it has none. `column`: one of `COLUMNS`."""
    if column not in COLUMNS or episodes not in EPISODES:
        return None
    line = TABLES[student, sampling][EPISODES.index(episodes)]
    return round(line[COLUMNS.index(column)] / 100, 4)
