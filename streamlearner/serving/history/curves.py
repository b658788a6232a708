"""Samples to curves of one resolution."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from streamlearner.serving.history.figures import LATENCY
from streamlearner.state.samples import Sample, combined

STEPS_S = (
    1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400, 172_800,
    604_800,
)  # fmt: skip
"""Resolutions that give round times on an axis."""
GAP_STEPS = 3
"""Of so many steps without a sample: the daemon was down, and no line is drawn across."""
_RATES = {"learned": "examples_per_s", "predictions": "predictions_per_s"}
_REJECTS = "rejects/"


def step_for(seconds: float, points: int) -> int:
    """The finest resolution in which so much time takes no more points."""
    return next((step for step in STEPS_S if seconds <= step * points), math.ceil(seconds / points))


def curves(samples: Iterable[Sample], *, step_s: int) -> tuple[list[float], dict[str, list[float | None]]]:
    """Times, and as many values by name. Where nothing was recorded for a while, one moment has only None."""
    times: list[float] = []
    moments: list[Mapping[str, float]] = []
    end_s = math.inf
    for start_s, group in groupby(samples, lambda one: one.start_s // step_s * step_s):
        merged = combined(list(group))
        if merged.start_s > end_s + GAP_STEPS * step_s:
            times.append(min(end_s, start_s - step_s))
            moments.append({})
        times.append(start_s)
        moments.append(figures(merged))
        end_s = start_s + max(step_s, merged.seconds)
    names = sorted({name for moment in moments for name in moment})
    return times, {name: [moment.get(name) for moment in moments] for name in names}


def figures(sample: Sample) -> dict[str, float]:
    """By name: levels as they are, counts as rates in a second, durations as p50 and p99."""
    found = dict(sample.means) | {f"{name}_highest": value for name, value in sample.highs.items()}
    if sample.seconds > 0:
        for name, title in _RATES.items():
            found[title] = sample.counts.get(name, 0.0) / sample.seconds
        for name, count in sample.counts.items():
            if name.startswith(_REJECTS):
                found[f"rejects_per_s/{name.removeprefix(_REJECTS)}"] = count / sample.seconds
    by_bound = {
        float(name.removeprefix(LATENCY)): count
        for name, count in sample.counts.items()
        if name.startswith(LATENCY)
    }
    if by_bound:
        found |= {f"predict_p{share}_s": quantile(by_bound, share / 100) for share in (50, 99)}
    return found


def quantile(by_bound: Mapping[float, float], share: float) -> float:
    """The duration below which this share lies, between two bounds in proportion, as Prometheus has it; of
    what is above all bounds, the highest."""
    bounds = sorted(by_bound)
    rank, below, lower = share * sum(by_bound.values()), 0.0, 0.0
    for bound in bounds:
        if below + by_bound[bound] >= rank and by_bound[bound]:
            return lower if math.isinf(bound) else lower + (bound - lower) * (rank - below) / by_bound[bound]
        below += by_bound[bound]
        lower = bound
    return lower


Curve = Sequence[float | None]


def chosen(series: Mapping[str, Curve], names: Sequence[str]) -> dict[str, Curve]:
    """Those of these names, or of a group of that name (`retention` has `retention/LABEL`); all of none."""
    if not names:
        return dict(series)
    return {name: values for name, values in series.items() if name in names or name.split("/")[0] in names}
