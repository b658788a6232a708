"""torchvision beside a CPU torch: it imports, reads data and builds networks."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from streamlearner import vision
from streamlearner.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]


def write_mnist(root: Path, *, prefix: str, images: int) -> None:
    """The two idx files of one half of MNIST, all black, labels 0, 1, 2, ..."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    pixels = struct.pack(">4i", 0x803, images, 28, 28) + bytes(28 * 28 * images)
    (raw / f"{prefix}-images-idx3-ubyte").write_bytes(pixels)
    (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(
        struct.pack(">2i", 0x801, images) + bytes(range(images))
    )


def test_all_of_torchvision_imports_in_a_fresh_process_once_it_is_asked_for() -> None:
    code = (
        "import sys; from streamlearner import vision\n"
        "assert 'torchvision' not in sys.modules; torchvision = vision.load()\n"
        "import torchvision.datasets, torchvision.models, torchvision.transforms.v2, torchvision.utils\n"
        "import torch; print(torchvision.transforms.v2.Resize(14)(torch.zeros(1, 28, 28)).shape[-1])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "14"), done.stderr


def test_nothing_is_declared_where_an_operator_is_there() -> None:
    vision.load()
    assert hasattr(torch.ops.torchvision, "nms")
    assert vision.declare_operators() is None


def test_a_declared_operator_does_not_pretend_to_compute() -> None:
    if vision.has_compiled_operators():
        pytest.skip("torchvision's own operators load beside this torch")
    vision.load()
    with pytest.raises(NotImplementedError, match="torchvision::nms"):
        torch.ops.torchvision.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)


def test_a_dataset_is_known_by_name_and_gives_either_half(tmp_path: Path) -> None:
    write_mnist(tmp_path, prefix="train", images=3)
    write_mnist(tmp_path, prefix="t10k", images=2)
    assert len(vision.dataset("MNIST", root=tmp_path, train=True)) == 3
    test_half = vision.dataset("mnist", root=tmp_path, train=False)
    assert [label for _, label in test_half] == [0, 1]
    assert test_half[0][0].size == (28, 28)


def test_the_shared_mnist_loads() -> None:
    shared = Path(os.environ.get("STREAMLEARNER_SHARED", ROOT.parent / "shared"))
    if not (shared / "data" / "MNIST").exists():
        pytest.skip(f"no shared data at {shared}; STREAMLEARNER_SHARED names another folder")
    digits = vision.dataset("MNIST", root=shared / "data", train=False)
    assert len(digits) == 10_000
    assert [digits[i][1] for i in range(5)] == [7, 2, 1, 0, 4]


def test_a_misspelt_dataset_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no dataset 'minst'; the nearest is 'MNIST'"):
        vision.dataset("minst", root=Path("nowhere"), train=True)


def test_absent_data_says_where_and_how_to_mend(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"MNIST cannot be read under {tmp_path} .*allow the download"):
        vision.dataset("MNIST", root=tmp_path, train=True)


@pytest.mark.parametrize("half", vision.TRAINING_HALF)
def test_every_dataset_in_the_table_exists_and_is_asked_in_its_own_words(half: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"{half} cannot be read"):  # not a TypeError for a wrong keyword
        vision.dataset(half, root=tmp_path, train=True)


HEADS = [
    "resnet18",
    "vgg11",
    "squeezenet1_1",
    "densenet121",
    "mobilenet_v3_small",
    "efficientnet_b0",
    "vit_b_32",
]


@pytest.mark.parametrize("name", HEADS)
def test_a_head_of_any_shape_is_replaced(name: str) -> None:
    models = vision.load().models
    with torch.device("meta"):  # shapes only: no memory, no arithmetic
        network = vision.replace_head(models.get_model(name, weights=None), classes=7)
        assert network(torch.empty(2, 3, 224, 224)).shape == (2, 7)


def test_a_model_follows_from_its_generator_alone() -> None:
    torch.manual_seed(0)
    global_state = torch.get_rng_state()
    first = vision.model("squeezenet1_1", classes=3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(torch.get_rng_state(), global_state)
    torch.manual_seed(99)
    again = vision.model("squeezenet1_1", classes=3, generator=torch.Generator().manual_seed(1))
    other = vision.model("squeezenet1_1", classes=3, generator=torch.Generator().manual_seed(2))
    weights = [torch.cat([p.flatten() for p in network.parameters()]) for network in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_an_unknown_model_and_unknown_weights_are_refused() -> None:
    chance = torch.Generator().manual_seed(0)
    with pytest.raises(ConfigError, match="the nearest is 'resnet18'"):
        vision.model("resnet81", classes=2, generator=chance)
    with pytest.raises(ConfigError, match="resnet18 has no weights 'FINEST'"):
        vision.model("resnet18", classes=2, generator=chance, weights="FINEST")
