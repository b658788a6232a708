"""Arrays of a program, to validated inputs and labels: one example a row, by the rules of `inputs` and
`labels`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from streamlearner.decoding.inputs import DEFAULT_LIMITS, Array, Limits, Schema, read_array
from streamlearner.decoding.labels import parse_label, parse_text, shown
from streamlearner.decoding.shapes import written
from streamlearner.errors import InvalidInput
from streamlearner.stream import Label


def read_inputs(values: ArrayLike, *, schema: Schema | None, limits: Limits = DEFAULT_LIMITS) -> Tensor:
    """`values` [n, d], [n, H, W] or [n, H, W, C]: [n, *schema.shape]. Raises `InvalidInput`, which
    names the first bad row."""
    rows = _array(values, "X")
    if not 2 <= rows.ndim <= 4:
        expected = "[n, d], [n, H, W] or [n, H, W, C]; a single input is for learn_one and predict_one"
        raise InvalidInput("shape", f"X has shape {list(rows.shape)}; expected {expected}")
    _check_shape(rows.shape[1:], "X holds inputs", schema)
    if not len(rows):
        return (
            torch.empty(0)
            if schema is None
            else torch.empty(0, *schema.shape, dtype=getattr(torch, schema.dtype))
        )
    return _stacked([_read(row, f"X[{place}]", limits) for place, row in enumerate(rows)])


def read_input(value: ArrayLike, *, schema: Schema | None, limits: Limits = DEFAULT_LIMITS) -> Tensor:
    """One input d, HxW or HxWxC: [1, *schema.shape]. Raises `InvalidInput`."""
    array = _array(value, "x")
    _check_shape(array.shape, "x is an input", schema)
    return _stacked([_read(array, "x", limits)])


def read_features(
    values: Mapping[str, Any], *, names: Sequence[str], limits: Limits = DEFAULT_LIMITS
) -> NDArray[np.float64]:
    """The numbers of a mapping, in the order of `names`: [d]; None is NaN where a number may be missing.
    Raises `InvalidInput` unless it has just these."""
    if limits.missing is not None:
        values = {name: math.nan if value is None else value for name, value in values.items()}
    if values.keys() != set(names):
        lacking, new = sorted(set(names) - values.keys()), sorted(values.keys() - set(names), key=str)
        found = " and ".join(
            [*([f"lacks {lacking}"] if lacking else []), *([f"has {new} besides"] if new else [])]
        )
        raise InvalidInput(
            "schema", f"x {found}; expected the features of the first that was learned: {list(names)}"
        )
    for name in names:
        if not isinstance(values[name], Real):
            raise InvalidInput("value", f"x[{name!r}] is {shown(values[name])}; expected a number")
    return np.array([float(values[name]) for name in names])


def read_labels(values: ArrayLike | Sequence[Any], *, count: int) -> list[Label]:
    """One label for each of `count` inputs: texts or integers, of Python or numpy. Raises `InvalidInput`."""
    return [_read_label(value, f"y[{place}]") for place, value in enumerate(_listed(values, "y", count))]


def read_names(values: ArrayLike | Sequence[Any] | None, *, name: str, count: int) -> tuple[str | None, ...]:
    """A task or id for each of `count` inputs, None where there is none. Raises `InvalidInput`."""
    if values is None:
        return (None,) * count
    found = _listed(values, f"{name}s", count)
    return tuple(None if value is None else parse_text(value, name) for value in found)


def _array(values: ArrayLike, name: str) -> Array:
    try:
        return np.asarray(values)
    except ValueError as error:  # of a ragged list
        raise InvalidInput("shape", f"{name} is no array: {error}") from None


def _check_shape(shape: tuple[int, ...], found: str, schema: Schema | None) -> None:
    """Against the schema, in the words of who has arrays: channels last, and none for one channel."""
    if schema is None:
        return
    expected = written(schema.shape)
    if len(expected) == 2 and shape[2:] == (1,):
        expected.append(1)
    if list(shape) != expected:
        text = f"{found} of shape {list(shape)}; expected {expected}, as the first that was learned"
        raise InvalidInput("schema", text)


def _read(array: Array, name: str, limits: Limits) -> Array:
    try:
        return read_array(array, limits=limits)
    except InvalidInput as error:
        raise InvalidInput(error.reason, f"{name}: {error}") from None


def _stacked(arrays: Sequence[Array]) -> Tensor:
    stacked = np.empty((len(arrays), *arrays[0].shape), arrays[0].dtype)
    for place, array in enumerate(arrays):  # np.stack would keep the strides of a channel-last input
        stacked[place] = array
    return torch.from_numpy(stacked)


def _listed(values: ArrayLike | Sequence[Any], name: str, count: int) -> list[Any]:
    """As Python's own values. (What numpy would make of a list, [1, "a"] becomes texts, is not what it
    says.)"""
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    if isinstance(listed, str | bytes | Mapping) or not hasattr(listed, "__iter__"):
        raise InvalidInput(
            "label", f"{name} is {shown(listed)}; expected {count} of them, one for each input"
        )
    plain = [value.item() if isinstance(value, np.generic) else value for value in listed]
    if len(plain) != count:
        raise InvalidInput(
            "label", f"{name} has {len(plain)} entries, X has {count} inputs; expected as many"
        )
    return plain


def _read_label(value: object, where: str) -> Label:
    try:
        label = parse_label(value)
    except InvalidInput as error:
        raise InvalidInput("label", f"{where}: {error}") from None
    if isinstance(label, Mapping):
        raise InvalidInput("label", f"{where}: a label of several factors; only the daemon learns such")
    if label != value:  # the daemon would call it the integer, and an answer be no longer == y
        raise InvalidInput(
            "label", f"{where} is the text {value!r}, an integer in writing; expected {label!r}"
        )
    return label
