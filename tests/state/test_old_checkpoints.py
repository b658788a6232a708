"""State folders that earlier versions left are read, learned on from, and written anew by today's code.

How they were made: `tests/support/old_checkpoints.py`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamlearner.evaluation.evidence import Evidence
from streamlearner.networks import augmentation, averaged
from streamlearner.state.format_upgrade import upgraded_tensors
from tests.support.checkpoint_store import newest_files
from tests.support.old_checkpoints import LAYOUTS, SCENARIOS, TOTAL, Play, layout, unpacked
from tests.support.old_streams import LATE, kind_of, values_of

KEPT = sorted(Path(__file__).parent.glob("checkpoints_of_*/*.tar.xz"))
ROUNDING = 1e-4
"""Processors do not round alike. A weight that was lost, or put elsewhere, shows in the first digits."""
LEARNED_ON = 0.01
"""The same after 80 more messages were learned: 0.0017 between AVX-512 and plain instructions, at most."""
GENERATORS = ("gumbel", "generative")
"""In the names of what learns one: no code flips there by a hair, so that what it shows stays the same."""
COUNTS = (
    "examples", "messages", "rejects", "position", "asleep", "sleeps", "network", "model_version", "method",
)  # fmt: skip
"""Of a status: what messages decide and no rounding."""
HELD = ("budget_bits", "exam_budget_bits", "recollections", "recollections_by_class", "seen")


@dataclass(frozen=True)
class Story:
    """What an earlier version wrote and said, and what today's says and writes from there."""

    name: str
    old: dict[str, Any]
    written: dict[str, dict[str, Any]]
    """the earlier version's checkpoint, by file"""
    restored: dict[str, Any]
    written_again: dict[str, dict[str, Any]]
    """the checkpoint that today's code wrote before it learned anything"""
    continued: dict[str, Any]
    restarted: dict[str, Any]
    """what a second restart says, from the checkpoint that today's code wrote at its end"""
    rolled_back: list[Any] | None
    """its probabilities from a version that the earlier one had adopted"""


@pytest.fixture(scope="module", params=KEPT, ids=lambda path: path.name.removesuffix(".tar.xz"))
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Story:
    archive: Path = request.param
    name = archive.name.removesuffix(".tar.xz")
    old = json.loads(archive.with_name(f"{name}.json").read_text())
    with unpacked(archive) as state, pytest.MonkeyPatch.context() as before:
        # what augmentation moved in was black, asleep, too: a sleep under way is taken up at once
        before.setattr(augmentation, "BEYOND_TURNED", "zeros")
        before.setattr(augmentation, "BEYOND_SHIFTED", "constant")
        written = newest_files(state)
        play = Play(name, old["settings"], state, learned=LATE)
        with play.daemon:
            restored = play.said()
            play.daemon.post("/v1/checkpoint", {})
            play.said()
            written_again = newest_files(state)
            with pytest.MonkeyPatch.context() as patch:
                # 0.1.0 began with the plain mean of the weights, which always answered
                patch.setattr(averaged, "POLYNOMIAL", 0)
                patch.setattr(Evidence, "best", lambda self, now, *args, **kwargs: now)
                play.learn(TOTAL)
            continued = play.said()
        moved = tmp_path_factory.mktemp(name) / "moved"
        shutil.copytree(state, moved)
    play = Play(name, old["settings"], moved, learned=TOTAL)
    with play.daemon:
        restarted = play.said()
        rolled_back = play.roll_back()
    return Story(name, old, written, restored, written_again, continued, restarted, rolled_back)


def probabilities(answers: list[Any]) -> np.ndarray[Any, Any]:
    """In one row, in the order of the names of labels."""
    flat: list[float] = []
    for one in answers:
        for _, value in sorted(one.items()):
            flat += [p for _, p in sorted(value.items())] if isinstance(value, dict) else [value]
    return np.array(flat)


def with_later_counters(status: dict[str, Any]) -> dict[str, Any]:
    """Of those there was none then, nor a count."""
    return status | {"examples": status["examples"] | {"tombstone": 0, "erased": 0, "erasure": 0}}


def chosen(said: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: said[name] for name in names}


def held(memory: dict[str, Any]) -> dict[str, Any]:
    """What is held of what was experienced, but for the copies that a sleep worked on then, and for inputs
    that wait for their labels now."""
    later = ("dream", "predictions")
    stored = {store: bits for store, bits in memory["stored_bits"].items() if store not in later}
    return chosen(memory, HELD) | {"stored_bits": stored}


def test_counts_position_and_what_the_schedule_decides_are_as_they_were(story: Story) -> None:
    then, now = story.old["restored"]["status"], story.restored["status"]
    said = chosen(now, tuple(then))  # today's says more
    accuracy = pytest.approx(then["prequential_accuracy"])
    assert said == with_later_counters(then) | {"prequential_accuracy": accuracy}


def test_what_is_remembered_is_as_it_was_to_the_bit(story: Story) -> None:
    assert held(story.restored["memory"]) == held(story.old["restored"]["memory"])
    assert story.restored["memory"]["units"] == story.old["restored"]["memory"]["units"]


def test_the_answers_to_the_same_inputs_are_what_they_were(story: Story) -> None:
    then, now = (probabilities(said["probabilities"]) for said in (story.old["restored"], story.restored))
    np.testing.assert_allclose(now, then, atol=ROUNDING)


def test_recollections_decode_to_what_they_did(story: Story) -> None:
    then, now = (said["recollections"] for said in (story.old["restored"], story.restored))
    assert [one["label"] for one in now] == [one["label"] for one in then]
    for a, b in zip(now, then, strict=True):
        np.testing.assert_allclose(values(a), values(b), rtol=ROUNDING, atol=1)


def test_what_was_measured_is_not_forgotten(story: Story) -> None:
    then, now = story.old["restored"]["retention"], story.restored["retention"]
    assert chosen(now, ("matrix", "first_period", "readout", "exam")) == chosen(
        then, ("matrix", "first_period", "readout", "exam")
    )
    assert now["overall"] == pytest.approx(then["overall"], abs=1.01 / then["exam"])  # one answer by a hair


def test_a_checkpoint_before_anything_is_learned_holds_what_the_old_one_held(story: Story) -> None:
    """Today's code may add to it, or lay out some of it otherwise; what has its name is the same, byte for
    byte."""
    assert named_alike(story.written_again["facts"], story.written["facts"]) == story.written["facts"]
    for file, tensors in story.written.items():
        if file != "facts":
            then = {name: tensor.tobytes() for name, tensor in tensors.items()}
            now = {name: tensor.tobytes() for name, tensor in story.written_again[file].items()}
            assert {name for name in then.keys() & now.keys() if then[name] != now[name]} == set()
            assert then.keys() & now.keys() != set()


def named_alike(now: Any, then: Any) -> Any:
    """Of what is held now what has a name in what was held then."""
    if not isinstance(then, dict):
        return now
    return {name: named_alike(now[name], held) for name, held in then.items()}


def test_learning_goes_on_by_the_same_counts_and_forgets_the_same(story: Story) -> None:
    then, now = story.old["continued"], story.continued
    assert chosen(now["status"], COUNTS) == chosen(with_later_counters(then["status"]), COUNTS)
    assert held(now["memory"]) == held(then["memory"])
    assert len(now["retention"]["matrix"]) == len(then["retention"]["matrix"])


def test_learning_goes_on_to_nearly_the_same_answers(story: Story) -> None:
    then, now = (probabilities(said["probabilities"]) for said in (story.old["continued"], story.continued))
    np.testing.assert_allclose(now, then, atol=LEARNED_ON)
    if any(kind in story.name for kind in GENERATORS):
        assert shades(story.continued, story.old["continued"]) < 0.1


def values(recollection: dict[str, Any]) -> np.ndarray:
    """In a row: then a grey picture was shown as [H, W, 1], and now it is as [H, W]."""
    return np.array(recollection["inputs"], dtype=np.float64).ravel()


def shades(said: dict[str, Any], otherwise: dict[str, Any]) -> float:
    """How far recollections are apart on average, of 255: 0.3 to 3 if a generator's optimiser began anew."""
    pairs = zip(said["recollections"], otherwise["recollections"], strict=True)
    apart = [np.abs(values(a) - values(b)).mean() for a, b in pairs]
    return float(np.mean(apart))


def test_a_version_that_was_adopted_then_can_be_gone_back_to(story: Story) -> None:
    if story.old["rolled_back"] is None:
        assert story.rolled_back is None
        return
    assert story.rolled_back is not None
    then, now = probabilities(story.old["rolled_back"]), probabilities(story.rolled_back)
    np.testing.assert_allclose(now, then, atol=ROUNDING)


def but_for_questions(said: dict[str, Any]) -> dict[str, Any]:
    """Status and memory without the inputs that wait for a label: each question adds one."""
    stored = {name: bits for name, bits in said["memory"]["stored_bits"].items() if name != "predictions"}
    status = {name: fact for name, fact in said["status"].items() if name != "answered"}
    return {"status": status, "memory": said["memory"] | {"stored_bits": stored}}


def test_what_todays_code_wrote_at_its_end_is_restored_in_its_turn(story: Story) -> None:
    assert but_for_questions(story.restarted) == but_for_questions(story.continued)
    then, now = (probabilities(said["probabilities"]) for said in (story.continued, story.restarted))
    np.testing.assert_allclose(now, then, atol=1e-6)


@pytest.mark.parametrize("network", LAYOUTS)
def test_the_weights_of_larger_networks_lie_in_checkpoints_as_they_did(network: str) -> None:
    for kept in Path(__file__).parent.glob("checkpoints_of_*/layouts.json"):
        assert layout(network) == upgraded_tensors(json.loads(kept.read_text())[network], format=1)


def test_an_association_is_taken_over_from_an_old_checkpoint(tmp_path: Path) -> None:
    """What it had learned of the stream shows in the first recollections: 11 of 255 off, a new one's 27."""
    archive = next(path for path in KEPT if path.name.startswith("trellis_reservoir"))
    settings = json.loads(archive.with_name("trellis_reservoir.json").read_text())["settings"]
    with unpacked(archive) as state:
        taken = {"association.from_checkpoint": str(max((state / "checkpoints").glob("0*")))}
        play = Play("trellis_reservoir", settings | taken, tmp_path, learned=0)
        with play.daemon:
            play.learn(5)
            shown = play.said()["recollections"]
    seen = np.array([values_of(number, kind_of(number), inputs="grey") for number in range(5)])
    for recollection in [np.array(one).ravel() for each in shown for one in each["inputs"]]:
        assert np.abs(seen - recollection).mean(1).min() < 15


def test_every_method_association_and_sampling_of_0_1_0_is_kept() -> None:
    assert {path.name.removesuffix(".tar.xz") for path in KEPT} >= set(SCENARIOS)


def test_the_command_line_lists_and_verifies_an_old_checkpoint(
    ended: Callable[..., tuple[int, str, str]], elsewhere: None
) -> None:
    with unpacked(KEPT[0]) as state:
        code, out, _ = ended("checkpoint", "list", "--set", f"state_dir={state}")
        assert (code, out.count("good")) == (0, 1)
        code, out, _ = ended("checkpoint", "verify", "--set", f"state_dir={state}")
        assert (code, out.endswith(": good\n")) == (0, True)
