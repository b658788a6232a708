"""Whom the evidence lets answer, among those who can."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from streamlearner.evaluation.evidence import DOUBT, MUCH_DOUBT, Evidence
from streamlearner.methods.answerers import AVERAGED, BLEND, LIVE, NEAREST, STATISTICS

AHEAD = 2.0
"""Standard errors by which NEAREST must be ahead to answer instead of statistics: it is asked each time."""


def choose(
    evidence: Evidence,
    now: str,
    exam_hits: Mapping[str, Tensor],
    labels: Tensor,
    *,
    ordered: bool,
    all_looked_at: bool,
    nearest_ahead: float | None,
) -> str:
    """Who should answer, where `now` does: `exam_hits` [n] bool by answerer, on exam examples with `labels`
    [n]. `ordered`: the first features tell most.

    On recollections NEAREST is so many standard errors `nearest_ahead` of statistics (None: not known):
    behind, it does not answer; far ahead, it does for them. Where not `all_looked_at`, many more were seen
    than it looks at: what learns from all is to answer, unless NEAREST is better each time anew.
    """
    # the live network must be better each time anew: by chance it often looks as good as its average
    now = AVERAGED if now == LIVE else now
    # of ordered features statistics know most, and classes may be many more than exam examples
    akin, doubt = ((), MUCH_DOUBT) if ordered else ((STATISTICS, BLEND), DOUBT)
    behind = nearest_ahead is not None and nearest_ahead < 0
    others = {name: hits for name, hits in exam_hits.items() if name != NEAREST}
    among = exam_hits if all_looked_at and not behind else others
    if now not in among and STATISTICS in among:
        now = STATISTICS
    who = evidence.best(now, among, labels, akin=akin, expected=BLEND, doubt=doubt)
    if NEAREST not in exam_hits or behind:
        return who
    if not all_looked_at:
        both = {name: exam_hits[name] for name in (who, NEAREST)}
        return evidence.best(who, both, labels, doubt=doubt)
    if who in (STATISTICS, BLEND) and nearest_ahead is not None and nearest_ahead > AHEAD:
        return evidence.best(NEAREST, exam_hits, labels, akin=(*akin, NEAREST))
    return who
