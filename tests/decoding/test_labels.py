"""Labels: one rule for what names a class, and indices that never change."""

from __future__ import annotations

import json
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from streamlearner.decoding.label_space import LabelSpace
from streamlearner.decoding.labels import FactorValue, label_text, parse_label, parse_text, shown
from streamlearner.errors import CheckpointError, InvalidInput

LABELS = st.one_of(
    st.integers(min_value=-(2**63) + 1, max_value=2**63 - 1),
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=16).map(
        parse_label
    ),
)


@pytest.mark.parametrize(
    ("text", "label"), [("3", 3), ("-1", -1), ("0", 0), ("9223372036854775807", 2**63 - 1)]
)
def test_a_canonical_decimal_integer_in_text_is_that_integer(text: str, label: int) -> None:
    assert parse_label(text) == label
    assert type(parse_label(text)) is int
    assert parse_label(label) == label


@pytest.mark.parametrize(
    "text",
    ["03", "+3", "1.0", "-0", "3 ", " 3", "1e3", "٣", "0x1", "-", "cat", "ñandú", "a\u3000b", "\u200d"],
)
def test_any_other_text_names_its_class_as_it_is_written(text: str) -> None:
    assert parse_label(text) == text


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        2.5,
        None,
        [],
        [1],
        b"3",
        "",
        "x" * 257,
        "a\nb",
        "a\x00",
        "\x7f",
        "\ud800",
        "\u2028",
        2**63,
        -(2**63),
        "9223372036854775808",
        "9" * 5000,
        10**5000,
    ],
    ids=lambda value: shown(value)[:20],
)
def test_a_value_that_cannot_name_a_class_is_refused_with_reason_label(value: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_label(value)
    assert caught.value.reason == "label"
    assert "expected" in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("value", "label"), [(3.0, 3), (-0.0, 0), ({"hue": 4.0}, {"hue": 4})])
def test_a_number_without_a_fraction_is_the_integer(value: object, label: object) -> None:
    found = parse_label(value)
    assert (found, repr(found)) == (label, repr(label))
    for beyond in (1e300, float("inf"), float("nan")):
        with pytest.raises(InvalidInput):
            parse_label(beyond)


def test_every_class_of_a_space_has_a_name_of_its_own_that_never_changes() -> None:
    """A text may be written as a factor's class is, and two factors' classes alike."""
    classes = [
        "cat",
        3,
        FactorValue("a", 1),
        "a=1",
        '"a=1"',
        FactorValue("a=b", "c"),
        FactorValue("a", "b=c"),
    ]
    space = LabelSpace()
    names: list[str] = []
    for label in classes:
        names.append(space.name(space.index(label)))
        assert [space.name(place) for place in range(len(space))] == names
    assert names[:4] == ["cat", "3", "a=1", '"a=1"']
    assert len(set(names)) == len(classes)
    turned = LabelSpace(["a=1", FactorValue("a", 1)])
    assert [turned.name(0), turned.name(1)] == ["a=1", '{"a": 1}']
    again = LabelSpace()
    again.restore(json.loads(json.dumps(space.state())))
    assert [again.name(place) for place in range(len(classes))] == names


def test_a_mapping_names_a_class_of_each_factor_and_so_does_its_json_text() -> None:
    factors = {"category": "mug", "viewpoint": 90}
    assert parse_label({"category": "mug", "viewpoint": "90"}) == factors
    assert parse_label('{"category": "mug", "viewpoint": 90}') == factors
    assert parse_label(label_text(factors)) == factors
    assert parse_label("{mug}") == "{mug}"  # a text like any other


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({}, "0 factors"),
        ({f"f{i}": i for i in range(17)}, "17 factors"),
        ({"category": {"mug": 1}}, "factor str 'category': label is a dict"),
        ({"category": None}, "factor str 'category': label is null"),
        ({"": 1}, "factor str ''"),
        ({1: "a", "1": "b"}, "the factor str '1' twice"),
        ('{"category": 1, "category": 2}', "the factor str 'category' twice"),
        ('{"category": [1]}', "factor str 'category': label is a list"),
    ],
)
def test_a_mapping_that_is_none_says_which_factor_is_wrong(value: object, what: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(what)) as caught:
        parse_label(value)
    assert caught.value.reason == "label"


def test_classes_of_factors_are_found_by_factor_and_survive_json() -> None:
    space = LabelSpace([FactorValue("a", 1), "plain", FactorValue("b", 1), FactorValue("a", "x")])
    assert space.factors == {"a": [0, 3], None: [1], "b": [2]}
    assert [str(space.label(i)) for i in range(4)] == ["a=1", "plain", "b=1", "a=x"]
    copy = LabelSpace()
    copy.restore(json.loads(json.dumps(space.state())))
    assert (copy.state(), copy.factors) == (space.state(), space.factors)
    assert copy.find(FactorValue("a", "x")) == 3


def test_the_longest_label_has_256_characters() -> None:
    assert parse_label("é" * 256) == "é" * 256


def test_a_task_or_id_stays_text_even_where_it_is_a_number() -> None:
    assert parse_text("3", "task") == "3"
    assert parse_text(3, "task") == "3"
    with pytest.raises(InvalidInput) as caught:
        parse_text(True, "id")
    assert caught.value.reason == "id"


@given(LABELS)
def test_a_label_written_as_text_and_read_again_is_the_same_class(label: str | int) -> None:
    assert parse_label(str(label)) == label


def test_a_deeply_nested_value_is_shown_by_its_size() -> None:
    nested: list[object] = []
    for _ in range(10_000):
        nested = [nested, nested]
    assert shown(nested) == "a list of 2"


def test_a_few_numbers_are_shown_as_they_are_and_more_by_their_count() -> None:
    assert shown([-1, 8, 2.5]) == "a list of 3, [-1, 8, 2.5]"
    assert shown([10**5000]) == "a list of 1"
    assert (shown([]), shown([1] * 9), shown(["a"])) == ("a list of 0", "a list of 9", "a list of 1")


def test_indices_follow_the_order_of_arrival_and_never_change() -> None:
    space = LabelSpace()
    assert space.indices(["b", 7, "b", "a"]).tolist() == [0, 1, 0, 2]
    space.index(-5)
    assert [space.index(label) for label in ("b", 7, "a", -5)] == [0, 1, 2, 3]
    assert [space.label(index) for index in range(len(space))] == ["b", 7, "a", -5]


def test_indices_are_int64_also_for_no_labels() -> None:
    assert LabelSpace().indices([]).dtype is torch.int64
    assert LabelSpace().indices([]).shape == (0,)


def test_find_adds_nothing() -> None:
    space = LabelSpace(["cat"])
    assert space.find("dog") is None
    assert (space.find("cat"), len(space), "dog" in space, "cat" in space) == (0, 1, False, True)


@pytest.mark.parametrize("index", [-1, 2])
def test_an_index_outside_the_space_is_an_error(index: int) -> None:
    with pytest.raises(IndexError):
        LabelSpace(["a", "b"]).label(index)


@given(st.lists(LABELS, max_size=30))
def test_a_restored_space_gives_the_same_indices(labels: list[str | int]) -> None:
    space = LabelSpace(labels)
    copy = LabelSpace(["something else"])
    copy.restore(space.state())
    assert copy.state() == space.state()
    assert torch.equal(copy.indices(labels), space.indices(labels))


def test_the_state_is_a_copy() -> None:
    space = LabelSpace(["a"])
    space.state().append("b")
    assert space.state() == ["a"]


@pytest.mark.parametrize("state", [["a", "b", "a"], ["a", True], ["a", 1.5], [None]])
def test_a_state_that_no_space_could_have_written_is_refused_and_changes_nothing(
    state: list[str | int],
) -> None:
    space = LabelSpace(["kept"])
    with pytest.raises(CheckpointError, match="label space"):
        space.restore(state)
    assert space.state() == ["kept"]
