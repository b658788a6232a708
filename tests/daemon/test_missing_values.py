"""Numbers that are missing in feature vectors: filled when learned and when predicted, and counted."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamlearner import InvalidInput, Learner, encode
from streamlearner.app import build
from streamlearner.config.loading import Config
from streamlearner.connectors.memory import MemorySource
from streamlearner.stream import Message
from tests.support.daemon_runs import (
    ask,
    differing,
    figure,
    learned,
    run,
    run_with_crashes,
    running,
    settings,
    state,
    wait_until,
)

FILL = -999.0
SHARE = 0.2


def vectors(count: int, *, missing: float) -> list[np.ndarray[Any, Any]]:
    """Three classes apart by 6 deviations; one number in five is missing."""
    draw = np.random.default_rng(0)
    found = []
    for n in range(count):
        vector = draw.normal(6 * (n % 3), 1, 6).astype(np.float32)
        vector[draw.random(6) < SHARE] = missing
        found.append(vector)
    return found


def messages(count: int, *, missing: float) -> list[Message]:
    encoded = [encode(x, label=n % 3, missing=True) for n, x in enumerate(vectors(count, missing=missing))]
    return [Message(value, "memory", 0, n, headers=headers) for n, (value, headers) in enumerate(encoded)]


def with_missing(folder: Path, *values: float | str, **more: Any) -> Config:
    return settings(folder, codec__missing_values=list(values), **more)


@pytest.mark.parametrize("missing", [FILL, 1e20, math.nan])
def test_what_is_missing_is_filled_learned_and_counted(tmp_path: Path, missing: float) -> None:
    stream = messages(300, missing=missing)
    absent = sum(np.isnan(x).sum() for x in vectors(300, missing=math.nan))
    daemon = run(with_missing(tmp_path, FILL, 1e20), MemorySource(stream))
    assert daemon.state.tally.rejected == 0 and learned(daemon) > 250
    assert figure(daemon, 'streamlearner_missing_values_total{of="example"}') == absent
    assert daemon.learner is not None and daemon.learner.prequential.accuracy > 0.9  # type: ignore[operator]
    assert daemon.learner.missing is not None
    assert daemon.learner.missing.mean.tolist() == pytest.approx([6.0] * 6, abs=1)


def test_without_the_setting_nan_is_refused_as_ever(tmp_path: Path) -> None:
    daemon = run(settings(tmp_path), MemorySource(messages(60, missing=math.nan)))
    assert daemon.state.tally.reasons == {"value": daemon.state.tally.rejected} != {}


def test_predictions_are_filled_and_counted_too(tmp_path: Path) -> None:
    source = MemorySource(messages(120, missing=FILL), finite=False)
    with running(build(with_missing(tmp_path, FILL, "nan"), source=source)) as daemon:
        wait_until(lambda: daemon.requests.status().get("messages") == 120, "all is learned")
        wait_until(lambda: daemon.serving.current is not None, "it answers")
        body = {"inputs": [[6.0, None, 6.0, FILL, 6.0, 6.0]]}
        (prediction,) = ask(daemon, "/v1/predict", body)["predictions"]
        assert prediction["label"] == 1
        assert figure(daemon, 'streamlearner_missing_values_total{of="prediction"}') == 2


def test_pushed_examples_may_miss_numbers(tmp_path: Path) -> None:
    config = with_missing(tmp_path, FILL, source__type="push", daemon__at_end="serve")
    with running(build(config)) as daemon:
        wait_until(lambda: daemon.requests.status().get("uptime_s"), "it serves")
        examples = [{"input": [1.0, None, FILL], "label": "a"}, {"input": [2.0, 3.0, 4.0], "label": "b"}]
        assert ask(daemon, "/v1/examples", {"examples": examples})["accepted"] == 2
        wait_until(lambda: daemon.state.tally.messages == 2, "both are taken")
    assert daemon.state.tally.rejected == 0
    assert figure(daemon, 'streamlearner_missing_values_total{of="example"}') == 2


def test_killed_runs_fill_with_the_same_means(tmp_path: Path) -> None:
    stream = messages(150, missing=FILL)
    run(with_missing(tmp_path / "calm", FILL), MemorySource(stream))
    run_with_crashes(with_missing(tmp_path / "killed", FILL), stream, at=[33, 71, 128])
    assert differing(state(tmp_path / "calm"), state(tmp_path / "killed")) == []


def test_a_learner_of_a_program_fills_keeps_and_loads_the_means(tmp_path: Path) -> None:
    X, y = np.stack(vectors(300, missing=FILL)), np.arange(300) % 3
    learner = Learner(config={"codec.missing_values": [FILL, "nan"]})
    learner.learn_many(X, y)
    asked = np.stack(vectors(30, missing=math.nan))
    assert (learner.predict_many(asked) == np.arange(30) % 3).mean() > 0.9
    learner.save(tmp_path)
    again = Learner.load(tmp_path)
    assert (again.predict_proba_many(asked) == learner.predict_proba_many(asked)).all()


def test_features_by_name_may_be_none() -> None:
    learner = Learner(config={"codec.missing_values": ["nan"]})
    learner.learn_one({"wings": 2, "legs": None}, "bird")
    learner.learn_one({"wings": None, "legs": 6}, "bee")
    assert learner.predict_one({"wings": 2, "legs": None}) in ("bird", "bee")
    with pytest.raises(InvalidInput, match=r"x\['legs'\]"):
        Learner().learn_one({"wings": 2, "legs": None}, "bird")
