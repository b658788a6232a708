"""The transform association follows its stream: renewed on schedule, recoded, restored where it stopped."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from streamlearner.associations.contract import Association
from streamlearner.associations.transform import TransformAssociation
from tests.support.associations import digits, distortion, follow, inputs_of, transform


def test_renewal_comes_on_schedule_and_leaves_the_old_one_alone() -> None:
    association = TransformAssociation(
        input_shape=(1, 16, 16), code_bits=60, first_fit_examples=30, growth=2.0
    )
    renewals = []
    for seen, inputs in enumerate(torch.split(digits(300), 10), start=1):
        association.learn(inputs, None)
        before = copy.deepcopy(association.state_dict())
        renewed = association.renew()
        after = association.state_dict()
        assert all(torch.equal(before[name], after[name]) for name in before)
        if renewed is not None:
            assert renewed is not association and renewed.renew() is None
            renewals.append(seen * 10)
            association = renewed
    assert renewals == [30, 60, 120, 240]


def test_recoding_a_recollection_changes_it_little() -> None:
    stream = digits()
    association = follow(transform((1, 16, 16), 90), stream)
    once = association.decode(association.encode(stream))
    twice = association.decode(association.encode(once))
    assert (twice - once).square().mean() < 0.15 * (once - stream).square().mean()


def test_recoding_at_a_renewal_keeps_what_was_remembered() -> None:
    stream = digits()
    association: Association = transform((1, 16, 16), 120)
    symbols = association.encode(stream[:0])
    for inputs in torch.split(stream, 10):
        association.learn(inputs, None)
        renewed = association.renew()
        if renewed is not None:
            symbols = renewed.encode(association.decode(symbols))
            association = renewed
        symbols = torch.cat([symbols, association.encode(inputs)])
    remembered = (association.decode(symbols) - stream).square().mean()
    fresh = (association.decode(association.encode(stream)) - stream).square().mean()
    assert remembered < 2.0 * fresh


def test_a_restored_transform_goes_on_bit_for_bit() -> None:
    stream = digits()
    kept = follow(transform((1, 16, 16), 70), stream[:500])
    restored: Association = transform((1, 16, 16), 70)
    assert restored.radices != kept.radices
    restored.load_state_dict(copy.deepcopy(kept.state_dict()))
    for present in (0, 1):
        assert restored.radices == kept.radices
        for name, value in kept.state_dict().items():
            assert torch.equal(value, restored.state_dict()[name]), name
        assert torch.equal(kept.decode(kept.encode(stream)), restored.decode(restored.encode(stream)))
        if present == 0:
            kept, restored = follow(kept, stream[500:]), follow(restored, stream[500:])


def test_a_state_restores_inside_a_larger_module() -> None:
    kept = torch.nn.ModuleDict({"association": follow(transform((1, 16, 16), 70), digits())})
    restored = torch.nn.ModuleDict({"association": transform((1, 16, 16), 70)})
    restored.load_state_dict(kept.state_dict())
    assert torch.equal(
        kept["association"].encode(digits()),  # type: ignore[operator]
        restored["association"].encode(digits()),  # type: ignore[operator]
    )


def test_a_state_with_a_part_missing_is_refused() -> None:
    state = transform((1, 16, 16), 70).state_dict()
    del state["table"]
    with pytest.raises(RuntimeError, match="table"):
        transform((1, 16, 16), 70).load_state_dict(state)


def renewals(association: Association, stream: Tensor, *, batch: int = 10) -> tuple[Association, list[int]]:
    """The association after a stream, and how many examples it had been shown at each renewal."""
    shown, found = 0, []
    for inputs in torch.split(stream, batch):
        shown += len(inputs)
        association.learn(inputs, None)
        renewed = association.renew()
        if renewed is not None:
            found.append(shown)
            association = renewed
    return association, found


def test_after_2000_examples_one_batch_in_four_is_counted_and_renewals_go_by_those() -> None:
    stream = inputs_of((8,), 6000)
    association, found = renewals(transform((8,), 20), stream)
    # 2560 counted: 200 batches all, then 56 of every fourth
    assert found == [20, 40, 80, 160, 320, 640, 1280, (200 + 4 * 56) * 10]
    assert int(association.examples) == 2000 + 4000 // 4  # type: ignore[arg-type]
    uncounted = copy.deepcopy(association.state_dict())
    association.learn(stream[:10], None)
    changed = {n for n, value in association.state_dict().items() if not torch.equal(value, uncounted[n])}
    assert changed == {"batches"}


def test_thinned_statistics_still_follow_the_stream() -> None:
    before, after = inputs_of((8,), 2000), inputs_of((8,), 13_000, seed=1) * 20.0
    stale = follow(transform((8,), 32), before)
    renewed = follow(transform((8,), 32), torch.cat([before, after]))
    assert distortion(renewed, after) < 0.2 < 0.7 < distortion(stale, after)


def test_statistics_are_thinned_the_same_way_each_time() -> None:
    stream = inputs_of((8,), 5000)
    first, second = (follow(transform((8,), 20), stream).state_dict() for _ in range(2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize("batches", [199, 200, 201, 202, 203, 204, 423])
def test_a_restart_between_thinned_batches_changes_nothing(batches: int) -> None:
    stream = inputs_of((8,), 6000)
    kept = follow(transform((8,), 20), stream[: batches * 10])
    restored: Association = transform((8,), 20)
    restored.load_state_dict(copy.deepcopy(kept.state_dict()))
    kept, found = renewals(kept, stream[batches * 10 :])
    restored, again = renewals(restored, stream[batches * 10 :])
    assert found == again == [4240 - batches * 10]
    assert all(torch.equal(value, restored.state_dict()[name]) for name, value in kept.state_dict().items())
    assert torch.equal(kept.encode(stream), restored.encode(stream))
