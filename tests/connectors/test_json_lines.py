"""JSON Lines: files that grow, are torn, cut, replaced and deleted."""

from __future__ import annotations

import gzip
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamlearner.connectors.files import JsonLinesSource
from streamlearner.errors import ConfigError, PositionLost, SourceUnreachable
from streamlearner.stream import Position


def opened(path: Path, position: Position | None = None, *, follow: bool = False) -> JsonLinesSource:
    source = JsonLinesSource(path, follow=follow, look_every_s=0.01)
    source.open(position)
    return source


def values(source: JsonLinesSource) -> list[bytes]:
    found = []
    while polled := source.poll(3, 0.02):
        found += [message.value or b"" for message in polled]
    return found


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_a_message_names_its_file_and_the_byte_of_its_line(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "x.jsonl").write_bytes(b'{"a": 1}\r\n\n  {"b": 2}\n')
    first, second = opened(tmp_path / "*" / "x.jsonl").poll(5, 0.0)
    assert (first.value, first.where()) == (b'{"a": 1}', "sub/x.jsonl[0]@0")
    assert (second.value, second.where()) == (b'  {"b": 2}', "sub/x.jsonl[0]@11")
    assert first.headers == (("content-type", b"application/json"),)


def test_a_torn_last_line_is_given_at_the_end_where_nobody_follows(tmp_path: Path) -> None:
    append(tmp_path / "x", b"1\n2")
    source = opened(tmp_path / "x")
    assert source.lag() == {0: 2}
    assert values(source) == [b"1", b"2"]
    assert source.lag() == {0: 0}
    assert source.exhausted


def test_a_torn_last_line_is_waited_for_when_following(tmp_path: Path) -> None:
    append(tmp_path / "x", b'1\n{"in')
    source = opened(tmp_path / "x", follow=True)
    assert values(source) == [b"1"]
    assert source.lag() == {0: 0}
    append(tmp_path / "x", b'put"}')
    assert values(source) == []
    append(tmp_path / "x", b"\n3\n")
    assert source.lag() == {0: 2}
    assert values(source) == [b'{"input"}', b"3"]
    assert not source.exhausted


def test_a_line_continued_after_it_was_taken_is_an_error(tmp_path: Path) -> None:
    append(tmp_path / "x", b"1\n2")
    source = opened(tmp_path / "x")
    assert values(source) == [b"1", b"2"]
    append(tmp_path / "x", b"34\n")
    with pytest.raises(PositionLost, match="continued at byte 3"):
        opened(tmp_path / "x", source.position)


def test_the_lag_counts_the_lines_that_are_left(tmp_path: Path) -> None:
    append(tmp_path / "x", b"1\n2\n3\n")
    source = opened(tmp_path / "x", follow=True)
    assert source.lag() == {0: 3}
    source.poll(1, 0.0)
    assert source.lag() == {0: 2}
    append(tmp_path / "x", b"4\n5")
    assert source.lag() == {0: 3}
    assert opened(tmp_path / "x", source.position).lag() == {0: 4}


def test_a_newline_that_comes_later_is_no_line(tmp_path: Path) -> None:
    append(tmp_path / "x", b"1\n2")
    source = opened(tmp_path / "x")
    assert values(source) == [b"1", b"2"]
    append(tmp_path / "x", b"\n3\n")
    assert values(opened(tmp_path / "x", source.position)) == [b"3"]


def test_growth_and_new_files_are_found_wherever_they_sort(tmp_path: Path) -> None:
    append(tmp_path / "b.jsonl", b"1\n")
    source = opened(tmp_path / "*.jsonl", follow=True)
    assert values(source) == [b"1"]
    append(tmp_path / "c.jsonl", b"2\n")
    assert values(source) == [b"2"]
    append(tmp_path / "a.jsonl", b"3\n")
    append(tmp_path / "b.jsonl", b"4\n")
    assert sorted(values(source)) == [b"3", b"4"]
    assert values(opened(tmp_path / "*.jsonl", source.position, follow=True)) == []


def test_following_may_begin_before_there_is_any_file(tmp_path: Path) -> None:
    source = opened(tmp_path / "*.jsonl", follow=True)
    assert source.poll(1, 0.02) == []
    append(tmp_path / "a.jsonl", b"1\n")
    assert values(source) == [b"1"]


def test_no_file_at_all_is_unreachable_where_nobody_follows(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreachable, match="no file matches"):
        opened(tmp_path / "*.jsonl")


@pytest.mark.parametrize("new", [b"1\n", b"1\n2\nx\n4\n5\n"], ids=["truncated", "rewritten"])
@pytest.mark.parametrize("running", [True, False], ids=["while_running", "between_runs"])
def test_a_file_that_is_not_the_one_read_is_an_error(tmp_path: Path, new: bytes, running: bool) -> None:
    append(tmp_path / "x", b"1\n2\n3\n")
    source = opened(tmp_path / "x", follow=True)
    assert len(values(source)) == 3
    (tmp_path / "x").write_bytes(new)
    with pytest.raises(PositionLost, match=r"x was .*(truncated|rewritten).* put the old content back"):
        if running:
            source.poll(1, 0.02)
        else:
            opened(tmp_path / "x", source.position)


def test_a_copy_on_another_disk_is_the_same_file(tmp_path: Path) -> None:
    append(tmp_path / "x", b"1\n2\n3\n")
    source = opened(tmp_path / "x")
    source.poll(1, 0.0)
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / "x").write_bytes((tmp_path / "x").read_bytes())
    assert values(opened(tmp_path / "moved" / "x", source.position)) == [b"2", b"3"]


def test_a_file_may_be_deleted_once_it_was_read_and_not_before(tmp_path: Path) -> None:
    for name in "ab":
        append(tmp_path / name, b"1\n2\n")
    source = opened(tmp_path / "*", follow=True)
    source.poll(2, 0.0)
    position = source.position
    (tmp_path / "a").unlink()
    assert values(opened(tmp_path / "*", position, follow=True)) == [b"1", b"2"]
    append(tmp_path / "a", b"1\n2\n")
    source = opened(tmp_path / "*")
    source.poll(1, 0.0)
    (tmp_path / "a").unlink()
    with pytest.raises(PositionLost, match="only up to byte 2"):
        opened(tmp_path / "*", source.position)


def test_a_line_longer_than_allowed_is_cut_and_marked_and_the_next_is_whole(tmp_path: Path) -> None:
    append(tmp_path / "x", b"a" * 3_000_000 + b"\n" + b"b" * 100 + b"\n" + b"c" * 101)
    source = JsonLinesSource(tmp_path / "x", max_line_bytes=100)
    source.open(None)
    cut, whole, torn = source.poll(5, 0.0)
    assert (cut.value, dict(cut.headers)["truncated"]) == (b"a" * 100, b"true")
    assert (whole.value, "truncated" in dict(whole.headers)) == (b"b" * 100, False)
    assert (torn.value, dict(torn.headers)["truncated"]) == (b"c" * 100, b"true")
    source.open(source.position)
    assert source.poll(1, 0.0) == []


def test_a_glob_may_look_into_all_folders(tmp_path: Path) -> None:
    for name in ("a/1.jsonl", "b/c/2.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True)
        append(tmp_path / name, name.encode())
    assert values(opened(tmp_path / "**" / "*.jsonl")) == [b"a/1.jsonl", b"b/c/2.jsonl"]


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="above 0"):
        JsonLinesSource("x", look_every_s=0)


@settings(max_examples=40, deadline=None)
@given(
    lines=st.lists(
        st.binary(max_size=9).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b"")), max_size=9
    ),
    cuts=st.lists(st.integers(0, 90), max_size=6),
    restart=st.booleans(),
)
def test_a_file_written_in_any_pieces_gives_its_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], cuts: list[int], restart: bool
) -> None:
    path = tmp_path_factory.mktemp("pieces") / "x"
    path.touch()
    data = b"".join(line + b"\n" for line in lines)
    bounds = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    source, found = opened(path, follow=True), []
    for start, stop in pairwise(bounds):
        append(path, data[start:stop])
        found += [message.value for message in source.poll(100, 0.0)]
        if restart:
            source.close()
            source = opened(path, source.position, follow=True)
    assert found == [line for line in lines if line.strip()]
    assert source.lag() == {0: 0} or not lines[-1].strip()
    source.close()


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    append(tmp_path / "x", b"1\n2\n")
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(5):
        source = opened(tmp_path / "x")
        source.poll(1, 0.0)
        source.close()
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after <= before


@pytest.mark.parametrize("name", ["gzip", "parquet", "UTF-16"])
def test_a_file_that_holds_no_lines_of_text_is_refused_at_start(tmp_path: Path, name: str) -> None:
    first = {"gzip": gzip.compress(b"{}\n"), "parquet": b"PAR1\x15\x04", "UTF-16": "{}\n".encode("utf-16")}
    (tmp_path / "a.jsonl").write_bytes(first[name])
    with pytest.raises(ConfigError, match=rf"(?i)a\.jsonl is .*{name}.*; expected lines of JSON"):
        JsonLinesSource(tmp_path / "a.jsonl").open(None)
