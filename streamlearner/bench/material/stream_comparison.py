"""What the figures of many streams say: of each, ours beside the best simple alternative and replay peer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from streamlearner.bench.kit.summary import Summary

OURS, JOINT = "ours", "joint"
SIMPLE = (
    "no_change", "majority", "nearest_mean", "lda", "statistics", "neighbours", "logistic_regression",
    "hoeffding_adaptive_tree", "adaptive_random_forest",
)  # fmt: skip
SEEING = SIMPLE[1:]
"""Those that look at inputs. Along a stream of class after class the last label alone is nearly always
right."""
OF_OTHERS = tuple(arm for arm in SEEING if arm != "statistics")
"""Of these, what is no method of this product."""
REPLAY = ("rehearsal", "er", "er_averaged", "er_ace", "er_ace_averaged")
OTHERS = ("finetune", JOINT)
ALONG, END, WORST_CLASS, NEWEST = "along", "end", "worst_class", "newest"
TOLERANCE = 0.02
SEPARATOR = "/"
AVERAGED = "_averaged"
"""At the end of a metric's name: of averaged weights; in the tables an arm of its own."""

SUMMARY_COLUMNS = (
    "streams", "number", "within 2 points of the best simple alternative or above",
    "the same without no_change", "also without statistics, a method of this product",
    "above every replay peer or level", "worst gap",
)  # fmt: skip

Figures = Mapping[str, Mapping[str, float]]
"""Means over seeds, by stream and arm."""


def arm_of(stream: str, arm: str) -> str:
    return f"{stream}{SEPARATOR}{arm}"


def figures(found: Sequence[Summary], metric: str) -> dict[str, dict[str, float]]:
    by_stream: dict[str, dict[str, float]] = {}
    for each in found:
        if each.metric.removesuffix(AVERAGED) == metric:
            stream, arm = each.arm.split(SEPARATOR)
            by_stream.setdefault(stream, {})[arm + each.metric.removeprefix(metric)] = each.mean
    return by_stream


@dataclass(frozen=True, slots=True)
class Comparison:
    """One stream by one metric: ours, and the best of each kind with its name (None: none was run): of
    `SIMPLE`, `SEEING`, `OF_OTHERS` and `REPLAY`."""

    stream: str
    ours: float
    simple: tuple[float, str] | None
    seeing: tuple[float, str] | None
    of_others: tuple[float, str] | None
    replay: tuple[float, str] | None

    def gap_to(self, best: tuple[float, str] | None) -> float:
        """How far ours is behind; negative where it is better."""
        return best[0] - self.ours if best else 0.0


def comparisons(by_stream: Figures, streams: Sequence[str]) -> list[Comparison]:
    """Of the streams, in their order, that ours was run on."""
    found = []
    for stream in streams:
        arms = by_stream.get(stream, {})
        if OURS in arms:
            kinds = (SIMPLE, SEEING, OF_OTHERS, REPLAY)
            best = [max(((arms[arm], arm) for arm in kind if arm in arms), default=None) for kind in kinds]
            found.append(Comparison(stream, arms[OURS], *best))
    return found


def tables(found: Sequence[Summary], *, chosen_on: Mapping[str, bool]) -> Iterator[str]:
    """`chosen_on` has every stream by name, in the order of the tables."""
    for metric in (ALONG, END):
        by_stream = figures(found, metric)
        yield from summary_table(by_stream, metric, chosen_on)
    for metric in dict.fromkeys(each.metric.removesuffix(AVERAGED) for each in found):
        yield from figure_table(figures(found, metric), f"{metric}, %", chosen_on, scale=100.0)
    seconds: dict[str, dict[str, float]] = {}
    for each in found:
        stream, arm = each.arm.split(SEPARATOR)
        seconds.setdefault(stream, {})[arm] = each.seconds
    yield from figure_table(seconds, "seconds", chosen_on, scale=1.0)


def summary_table(by_stream: Figures, metric: str, chosen_on: Mapping[str, bool]) -> Iterator[str]:
    """How often ours keeps up, on the streams that settings were chosen on and on the others."""
    parts = {
        "reported": [name for name, chosen in chosen_on.items() if not chosen],
        "settings chosen on": [name for name, chosen in chosen_on.items() if chosen],
    }
    compared = {part: comparisons(by_stream, streams) for part, streams in parts.items()}
    if not any(compared.values()):
        return
    yield f"{metric}: `ours` beside the best simple alternative and the best replay peer\n"
    yield f"| {' | '.join(SUMMARY_COLUMNS)} |"
    yield "|---" + "|---:" * (len(SUMMARY_COLUMNS) - 2) + "|---|"
    for part, each in compared.items():
        if each:
            yield summary_row(part, each)
    yield ""


def summary_row(part: str, compared: Sequence[Comparison]) -> str:
    near = sum(each.gap_to(each.simple) <= TOLERANCE for each in compared)
    near_seeing = sum(each.gap_to(each.seeing) <= TOLERANCE for each in compared)
    near_others = sum(each.gap_to(each.of_others) <= TOLERANCE for each in compared)
    above = sum(each.gap_to(each.replay) <= 0 for each in compared)
    gap, worst, name = max(
        (each.gap_to(best), each.stream, best[1])
        for each in compared
        for best in (each.simple, each.replay)
        if best
    )
    named = f"{100 * gap:.1f} points behind {name} on {worst}" if gap > 0 else "none"
    return f"| {part} | {len(compared)} | {near} | {near_seeing} | {near_others} | {above} | {named} |"


def figure_table(
    by_stream: Figures, title: str, chosen_on: Mapping[str, bool], *, scale: float
) -> Iterator[str]:
    """A row for each stream, a column for each arm; the best but `joint` in bold."""
    known = {arm for arms in by_stream.values() for arm in arms}
    arms = [arm for arm in (OURS, *SIMPLE, *REPLAY, *OTHERS) if arm in known]
    yield f"{title} (streams with a star: settings were chosen on them)\n"
    yield f"| stream | {' | '.join(arms)} |"
    yield "|---" + "|---:" * len(arms) + "|"
    for stream in (name for name in chosen_on if name in by_stream):
        row = by_stream[stream]
        best = max((row[arm] for arm in row if arm != JOINT), default=0.0)
        cells = [cell(row.get(arm), scale, bold=scale > 1 and row.get(arm) == best) for arm in arms]
        yield f"| {stream}{'*' if chosen_on[stream] else ''} | {' | '.join(cells)} |"
    means = (cell(mean_of_all(by_stream, arm), scale, bold=False) for arm in arms)
    yield f"| mean, of arms that have all | {' | '.join(means)} |"
    yield ""


def mean_of_all(by_stream: Figures, arm: str) -> float | None:
    """None for an arm that was not measured on every stream."""
    values = [arms[arm] for arms in by_stream.values() if arm in arms]
    return fmean(values) if values and len(values) == len(by_stream) else None


def cell(value: float | None, scale: float, *, bold: bool) -> str:
    if value is None:
        return ""
    text = f"{scale * value:.1f}"
    return f"**{text}**" if bold else text
