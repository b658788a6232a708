"""Distortion against compression: the paper's curve, JPEG without its header, rows and plot."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from streamlearner.bench import runner
from streamlearner.bench.experiments.distortion import DISTORTION, distortion_between
from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.results import Result, Row
from streamlearner.bench.kit.summary import summarise
from streamlearner.bench.material.continuous_autoencoder import ContinuousAutoencoder
from streamlearner.bench.material.distortion_arms import ARMS, SIZES
from streamlearner.bench.material.distortion_tables import (
    CATEGORICAL,
    IMAGE_BITS,
    code_bits,
    continuous_by_bits,
    envelope,
    paper_curve,
)
from streamlearner.bench.material.jpeg import coded_as_jpeg, header_bytes
from tests.support.tiny_bench import TinyBench

QUICK = Scope(seeds=1, budgets_bits=None, quick=True)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def trial_rows(arm: str, budget_bits: int = 0) -> dict[str, Row]:
    bench = TinyBench()(data=Path("nowhere"), download=False)
    found = DISTORTION.run(Trial(arm, budget_bits, 0), fixture=bench, scope=QUICK)
    return {row.metric: row for row in found}


def test_the_bits_of_the_tables_give_the_compressions_that_the_paper_prints() -> None:
    assert IMAGE_BITS / code_bits(6, 20) == pytest.approx(209.067, abs=1e-3)
    assert IMAGE_BITS / code_bits(12, 37) == pytest.approx(87.111, abs=1e-3)
    assert IMAGE_BITS / code_bits(209, 8) == pytest.approx(10.003, abs=1e-3)
    assert [round(IMAGE_BITS / bits, 2) for bits in continuous_by_bits()] == [49, 24.5, 16.33, 9.8, 7, 2.45]


def test_no_point_of_the_paper_lies_below_its_curve() -> None:
    for size, distortion in CATEGORICAL.items():
        assert paper_curve(code_bits(*size)) <= distortion + 1e-12
    assert paper_curve(62) == 0.04073
    assert list(envelope().values()) == sorted(envelope().values(), reverse=True)


def test_between_its_points_the_curve_is_straight_in_log_compression() -> None:
    assert paper_curve((168 * 192) ** 0.5) == pytest.approx((0.01955 + 0.01649) / 2)


def test_jpeg_is_counted_without_what_is_the_same_for_every_image() -> None:
    images = torch.zeros(2, 1, 28, 28)
    images[1, 0, 4:20, 6:9] = 1.0
    decoded, bits = coded_as_jpeg(images, quality=50)
    file = io.BytesIO()
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(file, "JPEG", quality=50)
    blank_bits = 8 * (len(file.getvalue()) - header_bytes(file.getvalue()) - 2)
    assert 0 < blank_bits < bits < 28 * 28
    assert float((decoded - images).abs().mean()) < 0.02


def test_jpeg_in_colour_comes_back_in_its_channels() -> None:
    images = torch.zeros(1, 3, 32, 32)
    images[:, 0] = 1.0
    decoded, _ = coded_as_jpeg(images, quality=75)
    torch.testing.assert_close(decoded, images, atol=0.02, rtol=0.0)


def test_a_code_of_floats_is_their_bytes_and_loses_nothing_on_the_way() -> None:
    made = ContinuousAutoencoder(
        input_shape=(1, 28, 28), latent_values=3, generator=torch.Generator().manual_seed(0)
    )
    inputs = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    symbols = made.encode(inputs)
    assert symbols.shape == (4, 12) and made.radices == (256,) * 12
    with torch.no_grad():
        assert torch.equal(made.decode(symbols), made.decoder(made.encoder(inputs)))


def test_distortion_is_per_pixel_and_normalised_by_what_varies() -> None:
    images = torch.tensor([0.0, 1.0]).repeat_interleave(4).view(2, 1, 2, 2)
    found = distortion_between(torch.full_like(images, 0.5), images)
    assert (found.absolute, found.normalised_squared) == (0.5, 1.0)


def test_ours_stands_beside_the_papers_curve() -> None:
    found = trial_rows("ours", 62)
    assert set(found) == {
        "distortion_l1", "compression", "distortion_l1_unseen", "distortion_over_paper_curve"
    }  # fmt: skip
    ratio = found["distortion_l1"].value / 0.04073
    assert found["distortion_over_paper_curve"].value == pytest.approx(ratio)
    assert found["compression"].value == pytest.approx(101.161, abs=1e-3)
    assert found["distortion_l1"].paper == 0.04073
    assert 0 < found["distortion_l1"].stored_bits <= 62


def test_levels_that_are_no_power_of_two_are_told_as_they_are_packed() -> None:
    found = trial_rows("paper_configuration", 24)["distortion_l1"]
    assert SIZES[24] == (8, 6)
    assert (found.budget_bits, found.stored_bits, found.paper) == (24, 21, 0.08423)


def test_a_colour_arm_tells_its_normalised_squared_error() -> None:
    assert {"distortion_l1", "compression", "normalised_mse"} == set(trial_rows("transform_cifar100", 120))


def test_budgets_choose_points_and_leave_jpeg_out() -> None:
    scope = Scope(seeds=2, budgets_bits=(62,), quick=False)
    trials = list(DISTORTION.trials(scope))
    assert {trial.budget_bits for trial in trials} == {62}
    assert {trial.arm for trial in trials} == {arm for arm, about in ARMS.items() if 62 in about.budgets_bits}


def test_all_arms_run_and_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pip install 'streamlearner[bench]'")
    bench = TinyBench()(data=Path("nowhere"), download=False)
    result = Result(tmp_path, name=DISTORTION.name, protocol=DISTORTION.protocol, quick=True)
    plan = runner.plan(DISTORTION, scope=QUICK, result=result)
    list(runner.run(DISTORTION, plan.missing, scope=QUICK, fixture=bench, result=result))
    assert {row.arm for row in result.rows} == {trial.arm for trial in plan.trials}
    DISTORTION.draw(summarise(result.rows), quick=True, path=tmp_path / "distortion.png")
    assert (tmp_path / "distortion.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
