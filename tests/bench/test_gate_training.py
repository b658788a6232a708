"""A gate is trained on other data before a stream begins, and goes when the stream has ended."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from streamlearner.bench.experiments.methods import METHODS_COMPARED
from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.streams.gate_training import gate_settings
from streamlearner.gates.gate_file import load_gate
from streamlearner.networks.by_name import build_network
from tests.support.tiny_bench import TinyBench

KEY = "method.meta_learned_update.gate"


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_the_gate_fits_the_default_network_and_hangs_on_the_seed() -> None:
    bench, rng = TinyBench()(data=Path("nowhere"), download=False), torch.Generator().manual_seed(0)
    network = build_network(name="auto", input_shape=(1, 28, 28), generator=rng)
    found: list[dict[str, torch.Tensor]] = []
    for seed in (0, 0, 1):
        with gate_settings(bench, {"seed": seed}, on="Other", quick=True) as settings:
            path = Path(settings[KEY])
            found.append(load_gate(path, network).state_dict())
        assert not path.exists()
    first, again, other = found
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_an_arm_that_names_no_data_gets_no_gate() -> None:
    with gate_settings(
        TinyBench()(data=Path("nowhere"), download=False), {}, on=None, quick=True
    ) as settings:
        assert settings == {}


def test_the_table_of_methods_has_one_whose_gate_was_trained() -> None:
    builder = TinyBench()
    bench = builder(data=Path("nowhere"), download=False)
    scope = Scope(seeds=1, budgets_bits=None, quick=True)
    rows = list(METHODS_COMPARED.run(Trial("meta_learned_update", 0, 0), fixture=bench, scope=scope))
    assert {"accuracy", "readout"} <= {getattr(row, "metric", None) for row in rows}
    (settings,) = builder.settings
    assert str(settings[KEY]).endswith(".safetensors")
