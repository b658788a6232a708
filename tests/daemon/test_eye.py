"""A daemon with an eye: it learns from features, answers for images, and knows its eye again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from streamlearner.app import Learner, build
from streamlearner.connectors.memory import MemorySource
from streamlearner.errors import ConfigError
from streamlearner.eyes.by_name import build_eye
from streamlearner.stream import Message
from tests.support import daemon_runs as runs
from tests.support.eyes import FEATURES

EYE = "tests.support.eyes:tiny"


def stream(count: int = 200) -> list[Message]:
    return [runs.example(number) for number in range(count)]


def images(count: int) -> np.ndarray:
    return np.stack([np.frombuffer(message.value or b"", np.uint8) for message in stream(count)]).reshape(
        -1, 6, 6
    )


@pytest.mark.parametrize("places", [None, 3, "auto"])
def test_a_run_killed_and_restarted_ends_as_one_that_was_not(
    tmp_path: Path, places: int | str | None
) -> None:
    more = {"eye__name": EYE, "eye__places": places}
    once, killed = (runs.settings(tmp_path / name, **more) for name in ("once", "killed"))
    runs.run(once, MemorySource(stream()))
    runs.run_with_crashes(killed, stream(), at=[33, 111, 170])
    assert runs.differing(runs.state(tmp_path / "once"), runs.state(tmp_path / "killed")) == []


def test_statistics_of_features_in_order_survive_kills_and_keep_the_budget(tmp_path: Path) -> None:
    more = {"eye__name": EYE, "eye__ordered": True, "method__name": "streaming_statistics"}
    once, killed = (runs.settings(tmp_path / name, **more) for name in ("once", "killed"))
    daemon = runs.run(once, MemorySource(stream()))
    runs.run_with_crashes(killed, stream(), at=[33, 111, 170])
    assert runs.differing(runs.state(tmp_path / "once"), runs.state(tmp_path / "killed")) == []
    assert daemon.learner is not None
    stored = daemon.learner.method.stored_bits()["statistics"]
    assert 0 < stored <= once.memory.budget_bits
    assert any("packed_sums" in name for name in runs.state(tmp_path / "once"))


def test_images_through_the_eye_and_features_of_a_producer_are_learned_alike(tmp_path: Path) -> None:
    shown, labels = images(150), [number // 50 for number in range(150)]
    eye = build_eye(EYE)
    features = torch.cat([eye.see(part) for part in torch.from_numpy(shown)[:, None].split(10)]).numpy()
    with_eye, without = Learner(config={"eye.name": EYE}), Learner()
    with_eye.learn_many(shown, labels)
    without.learn_many(features, labels)
    assert np.array_equal(with_eye.predict_proba_many(shown[:10]), without.predict_proba_many(features[:10]))


def test_it_answers_for_images_and_counts_the_eye_apart(tmp_path: Path) -> None:
    config = runs.settings(tmp_path, eye__name=EYE, daemon__at_end="serve")
    with runs.running(build(config, source=MemorySource(stream(60)))) as daemon:
        runs.wait_until(lambda: daemon.state.tally.messages == 60, "all is taken")
        runs.wait_until(lambda: runs.ask(daemon, "/v1/memory")["seen"] > 50, "all but the exam is learned")
        answer = runs.ask(daemon, "/v1/predict", {"inputs": [images(1)[0].tolist()]})
        memory = runs.ask(daemon, "/v1/memory")
    assert answer["predictions"][0]["label"] == 0
    eye = build_eye(EYE)
    assert memory["eye"] == {
        "name": EYE, "digest": eye.digest, "features": FEATURES, "parameter_bits": eye.parameter_bits,
    }  # fmt: skip
    assert "eye" not in memory["parameter_bits"]


def test_no_weight_of_the_eye_is_in_a_checkpoint(tmp_path: Path) -> None:
    runs.run(runs.settings(tmp_path, eye__name=EYE), MemorySource(stream(40)))
    found = runs.state(tmp_path)
    assert found["learner"]["eye"] == build_eye(EYE).state()
    weight = build_eye(EYE)._body.state_dict()["0.weight"].numpy().tobytes()
    assert not any(weight in value[2] for value in found.values() if isinstance(value, tuple))


@pytest.mark.parametrize("before, after", [(EYE, "tests.support.eyes:other"), (EYE, "none"), ("none", EYE)])
def test_a_restart_with_another_eye_is_refused(tmp_path: Path, before: str, after: str) -> None:
    runs.run(runs.settings(tmp_path, eye__name=before), MemorySource(stream(40)))
    with pytest.raises(ConfigError, match="or choose another state_dir"):
        runs.run(runs.settings(tmp_path, eye__name=after), MemorySource(stream(40)))


def test_a_program_loads_its_learner_with_the_eye_that_it_names(tmp_path: Path) -> None:
    learner = Learner(config={"eye.name": EYE})
    learner.learn_many(images(100), [number // 50 for number in range(100)])
    learner.save(tmp_path)
    again = Learner.load(tmp_path, config={"eye.name": EYE})
    assert np.array_equal(again.predict_proba_many(images(5)), learner.predict_proba_many(images(5)))
    with pytest.raises(ConfigError, match="names code, "):
        Learner.load(tmp_path)


def test_recollections_are_vectors(tmp_path: Path) -> None:
    daemon = runs.run(runs.settings(tmp_path, eye__name=EYE), MemorySource(stream(100)))
    assert daemon.learner is not None
    shown = daemon.learner.recollections(2)
    assert shown and all(inputs.shape[1:] == (FEATURES,) for _, inputs in shown)
