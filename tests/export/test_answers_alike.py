"""An exported model answers as the daemon: 1,000 inputs in onnxruntime, and in torch."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from streamlearner.export.graph import as_sent
from streamlearner.learning.learner import Learner
from streamlearner.methods.answerers import ANSWERERS
from streamlearner.networks.imputation import MeanImputation
from tests.support.exports import (
    OnnxModel,
    assert_alike,
    digits,
    expected,
    exported,
    learned,
    torch_probabilities,
)

MANY = 1_000


@cache
def of_digits() -> Learner:
    images, labels = digits(1_700)
    return learned(images[700:], labels[700:])


def pictures(learner: Learner) -> Tensor:
    return digits(MANY)[0]


@pytest.mark.parametrize("who", ANSWERERS)
def test_whoever_answers_the_files_answer_the_same(who: str) -> None:
    learner = of_digits()
    answering = learner.method.answering
    answering.choice[0] = ANSWERERS.index(who)
    found, inputs = exported(learner), pictures(learner)
    wanted = expected(learner.predictor(), inputs)
    sent = as_sent(inputs)
    assert_alike(OnnxModel(found.files["model.onnx"]).probabilities(sent.numpy()), wanted)
    assert_alike(torch_probabilities(found.files["model.pt2"], sent), wanted)
    assert found.card.answers == who


def test_a_class_that_is_too_young_for_the_network_is_answered_by_statistics_in_the_files_too() -> None:
    images, labels = digits(1_700)
    old = [place for place in range(700, 1_700) if labels[place] != 9]
    young = [place for place in range(700, 1_700) if labels[place] == 9][:15]
    order = [*old, *young]
    learner = learned(images[order], [labels[place] for place in order])
    learner.method.answering.choice[0] = ANSWERERS.index("hippocampus")
    assert learner.method.answering.unsettled
    inputs = pictures(learner)
    wanted = expected(learner.predictor(), inputs)
    nines = wanted.argmax(1) == learner.labels.find(9)
    assert nines.any()
    assert_alike(
        OnnxModel(exported(learner, ["onnx"]).files["model.onnx"]).probabilities(as_sent(inputs).numpy()),
        wanted,
    )


def test_one_input_and_many_are_answered_by_the_same_file() -> None:
    learner, inputs = of_digits(), as_sent(digits(37)[0])
    found = exported(learner)
    model = OnnxModel(found.files["model.onnx"])
    together = model.probabilities(inputs.numpy())
    apart = torch.cat([model.probabilities(inputs[i : i + 1].numpy()) for i in range(37)])
    assert torch.allclose(together, apart, atol=1e-5)
    alone = torch_probabilities(found.files["model.pt2"], inputs[:1])
    assert torch.allclose(together[:1], alone, atol=1e-5)


def test_colour_images_are_taken_channels_last_as_one_sends_them() -> None:
    chance = torch.Generator().manual_seed(3)
    labels = [["red", "green", "blue"][i % 3] for i in range(150)]
    images = torch.randint(0, 60, (MANY, 3, 20, 14), dtype=torch.uint8, generator=chance)
    for place in range(MANY):
        images[place, place % 3] += 90
    learner = learned(images[:150], labels, settings={"network.name": "resnet18_reduced"})
    learner.method.answering.choice[0] = ANSWERERS.index("blend")
    found = exported(learner, ["onnx"])
    sent = images.permute(0, 2, 3, 1).contiguous().numpy()
    assert sent.shape == (MANY, 20, 14, 3)
    assert_alike(
        OnnxModel(found.files["model.onnx"]).probabilities(sent), expected(learner.predictor(), images)
    )
    assert found.card.signature.document()["inputs"] == [
        {"name": "input", "shape": [-1, 20, 14, 3], "dtype": "uint8"}
    ]


def vectors(count: int) -> tuple[Tensor, list[str]]:
    """Columns of wild scales, one of which never varies."""
    chance = torch.Generator().manual_seed(5)
    kinds = torch.arange(count) % 4
    inputs = torch.randn(count, 6, generator=chance) * torch.tensor([1.0, 1e6, 1e-5, 3.0, 0.0, 40.0])
    inputs[:, 0] += 3.0 * kinds
    return inputs, [f"kind {kind}" for kind in kinds.tolist()]


@pytest.mark.parametrize("who", ["statistics", "blend", "nearest"])
def test_vectors_are_standardised_by_the_graph_and_missing_numbers_filled(who: str) -> None:
    inputs, labels = vectors(MANY)
    inputs[::7, 3] = torch.nan
    inputs[:, 5] = torch.nan  # of which nothing is ever known
    learner = learned(inputs[:400], labels[:400], settings={"codec.missing_values": ["nan"]})
    assert isinstance(learner.missing, MeanImputation)
    learner.method.answering.choice[0] = ANSWERERS.index(who)
    found = exported(learner)
    wanted = expected(learner.predictor(), inputs)
    assert_alike(OnnxModel(found.files["model.onnx"]).probabilities(inputs.numpy()), wanted)
    assert_alike(torch_probabilities(found.files["model.pt2"], inputs), wanted)
    assert found.card.signature.missing


@pytest.mark.parametrize("who", ["statistics", "hippocampus", "blend", "nearest"])
def test_a_task_restricts_the_answer_to_its_classes(who: str) -> None:
    inputs, labels = vectors(MANY)
    tasks = ["low" if label in ("kind 0", "kind 1") else "high" for label in labels]
    learner = learned(inputs[:400], labels[:400], tasks=tasks[:400])
    learner.method.answering.choice[0] = ANSWERERS.index(who)
    found = exported(learner)
    model = OnnxModel(found.files["model.onnx"])
    for index, task in enumerate(found.card.tasks):
        wanted = expected(learner.predictor(), inputs, task)
        assert (wanted == 0).any(), "the task restricts nothing"
        assert_alike(model.probabilities(inputs.numpy(), index), wanted)
        assert_alike(torch_probabilities(found.files["model.pt2"], inputs, index), wanted)
    assert_alike(model.probabilities(inputs.numpy()), expected(learner.predictor(), inputs))


@pytest.mark.parametrize("named", [False, True], ids=["without tasks", "with tasks"])
def test_memories_that_answer_together_are_one_graph_in_which_a_task_asks_those_that_hold_it(
    named: bool,
) -> None:
    images, labels = digits(400)
    tasks = [f"half {label // 5}" for label in labels] if named else None
    settings = {"method.name": "generative_dual_memory", "method.generative_dual_memory.hidden": 32}
    learner = learned(images, labels, tasks=tasks, settings=settings)
    inputs = digits(MANY)[0]
    found = exported(learner)
    for task in (None, "half 1") if named else (None,):
        wanted, place = expected(learner.predictor(), inputs, task), -1 if named else None
        if task is not None:
            assert (wanted == 0).any(), "the task restricts nothing"
            place = found.card.tasks.index(task)
        sent = as_sent(inputs)
        assert_alike(OnnxModel(found.files["model.onnx"]).probabilities(sent.numpy(), place), wanted)
        assert_alike(torch_probabilities(found.files["model.pt2"], sent, place), wanted)


@pytest.mark.parametrize(
    "method", ["finetune", "streaming_statistics", "rehearsal", "active_long_term", "deep_generative_replay"]
)
def test_methods_that_answer_by_one_network_or_by_statistics_alone_are_exported(method: str) -> None:
    images, labels = digits(300)
    learner = learned(images, labels, settings={"method.name": method})
    inputs = digits(MANY)[0]
    found = exported(learner, ["onnx"])
    wanted = expected(learner.predictor(), inputs)
    assert_alike(OnnxModel(found.files["model.onnx"]).probabilities(as_sent(inputs).numpy()), wanted)


def test_features_in_order_are_answered_by_the_first_of_them() -> None:
    chance = torch.Generator().manual_seed(9)
    means = 2 * torch.randn(5, 40, generator=chance)
    kinds = torch.arange(MANY) % 5
    inputs = means[kinds] + torch.randn(MANY, 40, generator=chance)
    learner = learned(inputs[:300], kinds[:300].tolist(), settings={"eye.ordered": True})
    assert learner.method.answering.ordered
    found = exported(learner, ["onnx"])
    wanted = expected(learner.predictor(), inputs)
    assert_alike(OnnxModel(found.files["model.onnx"]).probabilities(inputs.numpy()), wanted)


def test_nothing_is_written_where_a_method_answers_otherwise_than_its_graph() -> None:
    learner = of_digits()
    predictor = learner.predictor().freeze()
    right = predictor.method.predict_proba
    predictor.method.predict_proba = lambda inputs, tasks: right(inputs, tasks).roll(1, 1)
    from streamlearner.export.exported import export
    from streamlearner.export.graph import NotExportable

    with pytest.raises(NotExportable, match="does not answer as the daemon"):
        export(predictor, formats=["torch"], method="any", grades={}, created=0.0)


def test_files_say_which_classes_and_weights_they_hold() -> None:
    learner = of_digits()
    found = exported(learner, ["onnx"])
    model = OnnxModel(found.files["model.onnx"])
    assert model.classes == found.card.classes == learner.labels.state()
    assert model.said["model_version"] == found.card.model_version == str(learner.version)
    assert np.dtype(np.float32) == model.probabilities(as_sent(digits(2)[0]).numpy()).numpy().dtype
