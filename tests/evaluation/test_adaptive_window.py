"""ADWIN: sees that a rate changed, soon and not by chance, in little memory."""

from __future__ import annotations

import json
import random

import pytest

from streamlearner.evaluation.adaptive_window import AdaptiveWindow

RECORDED = [(0, None), (1, 1823), (2, 2111), (3, 1695), (4, 351), (5, 1727), (6, 1759), (7, None)]
"""First changes as River 0.26.1 sees them in `two_rates`, by seed."""


def answers(rate: float, count: int, *, seed: int) -> list[bool]:
    rng = random.Random(seed)
    return [rng.random() < rate for _ in range(count)]


def first_change(hits: list[bool]) -> int | None:
    window = AdaptiveWindow()
    return next((i for i, hit in enumerate(hits) if window.add(hit)), None)


@pytest.mark.parametrize("seed", range(5))
def test_a_fall_is_seen_soon_and_what_was_before_is_cut_off(seed: int) -> None:
    window = AdaptiveWindow()
    for hit in answers(0.9, 2_000, seed=seed):
        window.add(hit)
    changes = [
        (i, change) for i, hit in enumerate(answers(0.3, 200, seed=seed)) if (change := window.add(hit))
    ]
    assert changes[0][0] < 64
    assert changes[0][1].before == pytest.approx(0.9, abs=0.05)
    assert changes[0][1].after < changes[0][1].before
    assert window.width < 300
    assert window.rate == pytest.approx(0.3, abs=0.15)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_a_rate_that_stays_is_no_change_and_takes_few_numbers(rate: float) -> None:
    window, hits = AdaptiveWindow(), answers(rate, 20_000, seed=1)
    assert [i for i, hit in enumerate(hits) if window.add(hit)] == []
    assert (window.width, window.total) == (20_000, sum(hits))
    assert sum(len(row) for row in window.rows) < 80


def test_a_rise_is_a_change_too() -> None:
    window = AdaptiveWindow()
    found = [c for hit in [False] * 200 + [True] * 100 if (c := window.add(hit))]
    assert found[0].before < found[0].after


def test_a_window_that_restarts_goes_on_as_if_it_had_not() -> None:
    steady, restarted = AdaptiveWindow(check_every=8), AdaptiveWindow(check_every=8)
    changes = 0
    for number, hit in enumerate(answers(0.8, 300, seed=2) + answers(0.2, 300, seed=3)):
        if number % 7 == 0:
            fresh = AdaptiveWindow(check_every=8)
            fresh.restore(json.loads(json.dumps(restarted.state())))
            restarted = fresh
        found = [one.add(hit) for one in (steady, restarted)]
        assert found[0] == found[1]
        changes += found[0] is not None
    assert changes > 0
    assert steady.state() == restarted.state()


def two_rates(seed: int) -> list[bool]:
    rng = random.Random(seed)
    before = answers(rng.random(), rng.randint(50, 2_000), seed=seed)
    return before + answers(rng.random(), 2_000, seed=-seed)


def test_the_first_change_is_where_river_sees_it() -> None:
    drift = pytest.importorskip("river.drift", reason="pip install 'streamlearner[peers]'")
    seen = 0
    for seed in range(40):
        theirs, expected = drift.ADWIN(), None
        for number, hit in enumerate(hits := two_rates(seed)):
            theirs.update(int(hit))
            if theirs.drift_detected:
                expected = number
                break
        assert first_change(hits) == expected, seed
        seen += expected is not None
    assert seen > 20


@pytest.mark.parametrize(("seed", "by_river"), RECORDED)
def test_the_first_change_is_where_river_0_26_saw_it(seed: int, by_river: int | None) -> None:
    assert first_change(two_rates(seed)) == by_river
