"""torchvision beside a CPU torch: it imports, reads data and builds networks."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from streamlearner.errors import ConfigError
from streamlearner.vision import torchvision as vision

ROOT = Path(__file__).resolve().parents[2]


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
        "import sys; from streamlearner.vision import torchvision as vision\n"
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
    with pytest.raises(ConfigError, match=rf"MNIST cannot be read under {tmp_path} .*--download for"):
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
def test_a_head_of_any_shape_is_taken_out(name: str) -> None:
    models = vision.load().models
    with torch.device("meta"):  # shapes only: no memory, no arithmetic
        network = models.get_model(name, weights=None)
        features = vision.remove_head(network)
        assert network(torch.empty(2, 3, 224, 224)).flatten(1).shape == (2, features)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 5, 9), (3, 70, 64)])
def test_images_of_any_size_are_fitted_to_what_a_model_takes(shape: tuple[int, ...]) -> None:
    body = vision.backbone("squeezenet1_1")
    fitted = body.fit(torch.full((2, *shape), 0.25))
    assert fitted.shape[:2] == (2, 3)
    assert min(fitted.shape[2:]) == vision.LEAST_SIDE
    assert fitted.shape[3] / fitted.shape[2] == pytest.approx(shape[2] / shape[1], rel=0.02)
    assert torch.allclose(fitted, torch.tensor(0.25))  # new weights know no other scale


def test_images_large_enough_stay_as_they_are() -> None:
    images = torch.rand(2, 3, 80, 70, generator=torch.Generator().manual_seed(0))
    assert torch.equal(vision.backbone("squeezenet1_1").fit(images), images)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 300, 260)])
def test_a_model_of_one_size_gets_that_size(shape: tuple[int, ...]) -> None:
    with torch.device("meta"):
        network = vision.load().models.get_model("vit_b_32", weights=None)
    body = vision.Backbone(network, only_side=network.image_size, weights=None)
    assert body.fit(torch.zeros(2, *shape)).shape == (2, 3, 224, 224)


def written_weights(folder: Path, name: str) -> str:
    """Weights of `name` where torchvision's would be fetched to; the name that torchvision gives them."""
    known = vision.pretrained(name, "DEFAULT")
    (folder / "checkpoints").mkdir()
    torch.manual_seed(5)
    torch.save(
        vision.load().models.get_model(name).state_dict(), folder / "checkpoints" / Path(known.url).name
    )
    return str(known.name)


def test_pretrained_weights_are_taken_with_the_scale_that_they_know(tmp_path: Path) -> None:
    name, folder = "shufflenet_v2_x0_5", torch.hub.get_dir()
    weights = written_weights(tmp_path, name)
    first, second = (vision.backbone(name, weights=each, folder=tmp_path) for each in (weights, "DEFAULT"))
    assert torch.hub.get_dir() == folder
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    red, _, blue = first.fit(torch.full((1, 1, 64, 64), 0.5))[0, :, 0, 0].tolist()
    assert (red, blue) == pytest.approx(((0.5 - 0.485) / 0.229, (0.5 - 0.406) / 0.225), abs=1e-5)


def test_weights_that_cannot_be_fetched_say_where_to_put_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    with pytest.raises(ConfigError, match=rf"no route to host.*put that file into {tmp_path}"):
        vision.backbone("shufflenet_v2_x0_5", weights="DEFAULT", folder=tmp_path)


def test_weights_that_hold_code_or_are_not_numbers_are_refused(tmp_path: Path) -> None:
    name = "shufflenet_v2_x0_5"
    weights = written_weights(tmp_path, name)
    (file,) = (tmp_path / "checkpoints").iterdir()
    state = torch.load(file)
    state["fc.bias"][0] = torch.nan
    torch.save(state, file)
    with pytest.raises(ConfigError, match="not numbers"):
        vision.backbone(name, weights=weights, folder=tmp_path)
    torch.save({"fc.bias": Path("code")}, file)
    with pytest.raises(ConfigError, match="cannot be had"):
        vision.backbone(name, weights=weights, folder=tmp_path)


def test_unknown_weights_are_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"resnet18 has no weights 'FINEST'; it has IMAGENET1K_V1, DEFAULT"):
        vision.pretrained("resnet18", "FINEST")
