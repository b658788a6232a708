"""Transfer of an association: a state learned elsewhere is the start, and a wrong one is refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from streamlearner.app.parts import make_association
from streamlearner.associations.contract import Association
from streamlearner.associations.lossless import RawAssociation
from streamlearner.associations.transferred import transfer
from streamlearner.config import loading as config
from streamlearner.errors import ConfigError
from streamlearner.methods.base import Rng
from streamlearner.state.checkpoint import CheckpointStore
from tests.support.associations import follow, gumbel, textures, transform, trellis

SHAPE = (3, 16, 16)


def checkpoint(folder: Path, association: Association) -> Path:
    """A checkpoint of a method that holds this association, and more."""
    method = {f"association.{name}": tensor for name, tensor in association.state_dict().items()}
    number = CheckpointStore(folder, keep=1, clock=lambda: 0.0).save(
        tensors={"method": {**method, "head.weight": torch.zeros(2)}, "exam": {"inputs": torch.zeros(1)}},
        facts={},
        position={},
        method="recollection_replay",
        config_digest="",
    )
    return next(path for path in folder.iterdir() if path.name.isdigit() and int(path.name) == number)


@pytest.mark.parametrize(
    "build", [lambda: trellis(SHAPE, 90), lambda: transform(SHAPE, 90), lambda: gumbel(SHAPE)]
)
def test_it_starts_where_the_other_had_come_to(tmp_path: Path, build: type[Association]) -> None:
    learned, fresh = follow(build(), textures(300)), build()
    transfer(fresh, checkpoint(tmp_path, learned))
    unseen = textures(50, seed=1)
    assert fresh.radices == learned.radices
    assert torch.equal(fresh.decode(fresh.encode(unseen)), learned.decode(learned.encode(unseen)))
    learned, fresh = follow(learned, textures(50, seed=2)), follow(fresh, textures(50, seed=2))
    assert fresh.radices == learned.radices  # and it learns on


def test_a_file_of_the_association_alone_serves_as_well(tmp_path: Path) -> None:
    learned, fresh = follow(trellis(SHAPE, 90), textures(300)), trellis(SHAPE, 90)
    safetensors.torch.save_file(dict(learned.state_dict()), tmp_path / "fitted.safetensors")
    transfer(fresh, tmp_path / "fitted.safetensors")
    assert torch.equal(fresh.encode(textures(20)), learned.encode(textures(20)))


def test_the_setting_names_it(tmp_path: Path) -> None:
    learned = follow(trellis(SHAPE, 90), textures(300))
    settings = {
        "association.name": "trellis",
        "association.code_bits": 90,
        "association.from_checkpoint": str(checkpoint(tmp_path, learned)),
    }
    found = config.load(path=None, settings=settings, environ={})
    made = make_association(found, input_shape=SHAPE, dtype=torch.uint8, rng=Rng(seed=0))
    assert torch.equal(made.encode(textures(20)), learned.encode(textures(20)))


@pytest.mark.parametrize(
    "other",
    [
        lambda: transform(SHAPE, 90),
        lambda: trellis(SHAPE, 120),
        lambda: trellis((3, 8, 8), 90),
        lambda: gumbel(SHAPE),
    ],
)
def test_one_of_another_kind_shape_or_length_is_refused(tmp_path: Path, other: type[Association]) -> None:
    with pytest.raises(ConfigError, match=r"association\.from_checkpoint: .*(another|more than)"):
        transfer(trellis(SHAPE, 90), checkpoint(tmp_path, other()))


def test_longer_codes_are_refused_even_where_all_shapes_agree(tmp_path: Path) -> None:
    longer, shorter = (transform((6,), bits) for bits in (12, 6))
    with pytest.raises(ConfigError, match=r"take 12 bits, more than the 6"):
        transfer(shorter, checkpoint(tmp_path, longer))


def test_what_cannot_be_read_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    torn = checkpoint(tmp_path / "torn", trellis(SHAPE, 90))
    content = bytearray((torn / "method.safetensors").read_bytes())
    content[-1] ^= 1
    (torn / "method.safetensors").write_bytes(content)
    (tmp_path / "text.safetensors").write_text("no tensors")
    for path in (tmp_path / "absent", tmp_path, torn, tmp_path / "text.safetensors"):
        with pytest.raises(ConfigError, match=r"from_checkpoint: .*expected the directory of an intact"):
            transfer(trellis(SHAPE, 90), path)


def test_a_method_that_keeps_raw_inputs_has_nothing_to_hand_on(tmp_path: Path) -> None:
    raw: Association = RawAssociation(input_shape=SHAPE, dtype=torch.uint8)
    state: dict[str, Tensor] = dict(raw.state_dict())
    assert not state
    with pytest.raises(ConfigError, match="no association that learns"):
        transfer(trellis(SHAPE, 90), checkpoint(tmp_path, raw))
