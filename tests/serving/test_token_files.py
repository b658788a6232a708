"""Files of tokens are read again when they change, and a lost one opens nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamlearner.errors import ConfigError
from streamlearner.serving import Role
from streamlearner.serving.tokens import Tokens


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    path, clock = tmp_path / "tokens", Clock()
    path.write_text("first\n")
    tokens = Tokens(files={Role.READ: [path]}, clock=clock)
    assert tokens.roles("first") == {Role.READ}
    path.write_text("second\nthird\n")
    clock.now_s += 1.0
    assert [tokens.roles(one) for one in ("first", "second", "third")] == [set(), {Role.READ}, {Role.READ}]
    other = tmp_path / "other"
    other.write_text("first\n")
    other.replace(path)
    clock.now_s += 1.0
    assert [bool(tokens.roles(one)) for one in ("first", "second")] == [True, False]


@pytest.mark.parametrize("how", ["gone", "empty", "no text"])
def test_a_file_that_is_lost_while_running_opens_nothing(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, clock = tmp_path / "tokens", Clock()
    path.write_text("first\n")
    tokens = Tokens(files={Role.READ: [path]}, clock=clock)
    path.unlink()
    if how != "gone":
        path.write_bytes(b"" if how == "empty" else b"\xff\xfe")
    for _ in range(3):
        clock.now_s += 1.0
        assert tokens.roles("first") == set()
    assert tokens.given == {Role.READ}
    assert caplog.text.count("its tokens open nothing") == (how != "empty")
    path.write_text("first again\n")
    clock.now_s += 1.0
    assert tokens.roles("first again") == {Role.READ}


@pytest.mark.parametrize("content", [None, b"", b"# none\n\n", b"\xff"])
def test_a_file_without_a_token_is_refused_at_the_start(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "tokens"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"serving\.token_files: .*tokens: .*; expected a readable file"):
        Tokens(files={Role.READ: [path]})


def test_no_token_is_held_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text("hunter2-in-a-file\n")
    tokens = Tokens(token="hunter2-set", files={Role.READ: [path]})
    held = repr([vars(tokens), *(vars(file) for file in tokens._files)])
    assert "hunter2" not in held
