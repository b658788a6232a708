"""The conformance suites find what a part does wrong, and say which promise it breaks."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support import forked_commands

FAULTY = {
    "a source that begins anew wherever it is opened": (
        """
        from streamlearner.connectors.memory import MemorySource
        from streamlearner.stream import Message

        class Forgetful(MemorySource):
            @classmethod
            def build(cls, settings, surroundings):
                return cls([Message(b"%d" % i, "forgetful", 0, i) for i in range(20)])

            def open(self, position):
                super().open(None)
        """,
        'SourceConformance.of("faulty:Forgetful")',
        {
            "test_every_recorded_position_replays_exactly_what_followed",
            "test_a_position_is_the_same_after_json",
        },
    ),
    "a method that keeps the inputs": (
        """
        from streamlearner.methods.finetune import Finetune

        class Hoarder(Finetune):
            def observe(self, experience):
                self.hoard = experience.inputs.clone()
                return super().observe(experience)
        """,
        'MethodConformance.of("faulty:Hoarder")',
        {"test_no_raw_input_is_kept_but_by_the_baseline_that_is_made_of_them"},
    ),
    "a network whose answers depend on the batch": (
        """
        from torch import nn

        class Centred(nn.Module):
            def __init__(self, *, input_shape):
                super().__init__()
                self.layer = nn.Linear(64, 16)

            def forward(self, images):
                features = self.layer(images.flatten(1))
                return features - features.mean(0)
        """,
        'NetworkConformance.of("faulty:Centred", shapes=[(1, 8, 8)])',
        {"test_what_it_answers_does_not_depend_on_what_else_is_asked"},
    ),
    "an association that draws from the global generator": (
        """
        import torch
        from streamlearner.associations.transform import TransformAssociation

        class Noisy(TransformAssociation):
            def decode(self, symbols):
                decoded = super().decode(symbols)
                return (decoded + 0.01 * torch.rand_like(decoded)).clamp(0, 1)
        """,
        'AssociationConformance.of("faulty:Noisy", shapes=[(1, 16, 16)])',
        {"test_nothing_is_drawn_from_a_global_generator", "test_equal_streams_give_equal_codes"},
    ),
    "an experiment without a seed, whose mean is of nothing": (
        """
        import random
        from streamlearner.bench.kit.experiment import Trial, trial_rows

        class Dice:
            name = "dice"
            protocol = "A die, thrown once for each seed."

            def trials(self, scope):
                return [Trial("die", 0, seed) for seed in range(scope.seeds)]

            def run(self, trial, *, fixture, scope):
                measured = {"eyes": random.random(), "mean": float("nan")}
                yield from trial_rows(trial, measured, parameter_bits=0, seconds=1.0, examples=1)

        DICE = Dice()
        """,
        'ExperimentConformance.of("faulty:DICE")',
        {
            "test_the_same_trial_measures_the_same_again",
            "test_a_trial_yields_finite_values_under_its_own_name",
        },
    ),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_a_fault_is_found(fault: str, tmp_path: Path) -> None:
    code, suite, broken = FAULTY[fault]
    (tmp_path / "faulty.py").write_text(textwrap.dedent(code))
    (tmp_path / "test_faulty.py").write_text(
        f"from streamlearner.testing import {suite.partition('.')[0]}\n\nTestFaulty = {suite}\n"
    )
    words = ["-q", "-p", "no:cacheprovider", "-k", " or ".join(broken), f"--rootdir={tmp_path}"]
    done = forked_commands.completed(
        *words, "test_faulty.py",
        folder=tmp_path, environ=environment(tmp_path), timeout_s=300, program="pytest",
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert {name for name in broken if f"::{name}" not in done.stdout} == set(), done.stdout


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}


def test_the_suite_of_sources_needs_no_torch() -> None:
    code = "import sys; from streamlearner.testing import SourceConformance; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "False\n", done.stderr


def test_a_suite_that_there_is_not_is_no_attribute() -> None:
    import streamlearner.testing

    with pytest.raises(AttributeError, match="has no attribute Nothing"):
        streamlearner.testing.Nothing  # noqa: B018
