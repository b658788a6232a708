"""Who may use the port, by the settings: what is refused at the start, made, and said in the log."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamlearner import MemorySource, build, load_config
from streamlearner.app.access import TOKEN, make_access, make_token, tell_access, token_files
from streamlearner.errors import ConfigError
from streamlearner.serving import Role
from streamlearner.serving.tokens import Tokens

BOUND = {"serving.host": "0.0.0.0"}
TOLD = (
    {"serving.token": "hunter2"},
    {"serving.make_token": True},
    {"serving.open_roles": ["teach", "operate"]},
    {"serving.token_files.teach": "/run/a", "serving.token_files.operate": "/run/b"},
    {"serving.token_files.operate": "/run/b", "serving.open_roles": ["teach"]},
)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "fe80::1"])
def test_what_others_can_reach_needs_tokens_for_what_changes_something(host: str) -> None:
    with pytest.raises(
        ConfigError, match=r"serving\.host: expected a token for teach and for operate .*open_rol"
    ):
        load_config({"serving.host": host})
    with pytest.raises(ConfigError, match=r"expected a token for teach \(serving\.token_files\), as"):
        load_config({"serving.host": host, "serving.token_files.operate": "/run/a"})
    with pytest.raises(ConfigError, match="expected a token for operate "):
        load_config(
            {"serving.host": host, "serving.open_roles": "teach", "serving.token_files.read": "/run/a"}
        )


@pytest.mark.parametrize("settings", TOLD)
def test_it_may_be_bound_anywhere_where_it_is_told_so(settings: dict[str, Any]) -> None:
    assert load_config(BOUND | settings).serving.host == "0.0.0.0"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_on_loopback_no_token_is_needed(host: str) -> None:
    assert load_config({"serving.host": host}).serving.host == host


def test_the_command_ends_with_78_before_it_touches_the_state(
    ended: Callable[..., Any], elsewhere: None, tmp_path: Path
) -> None:
    code, out, err = ended("run", "--set", "serving.host=0.0.0.0", "--set", f"state_dir={tmp_path / 'state'}")
    assert (code, out, "expected a token for teach and for operate" in " ".join(err.split())) == (
        78,
        "",
        True,
    )
    assert not (tmp_path / "state").exists()


def test_a_token_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    config = load_config(BOUND | {"serving.make_token": True, "state_dir": str(tmp_path)})
    make_token(config)
    made = (tmp_path / TOKEN).read_text()
    assert stat.S_IMODE(os.stat(tmp_path / TOKEN).st_mode) == 0o600
    make_token(config)
    assert (tmp_path / TOKEN).read_text() == made
    assert Tokens(files=token_files(config)).roles(made.strip()) == set(Role)
    assert len(made) > 40


def test_no_token_is_made_where_there_is_one_or_none_is_wanted(tmp_path: Path) -> None:
    for more in ({}, {"serving.make_token": True, "serving.token": "hunter2"}):
        config = load_config({"state_dir": str(tmp_path)} | more)
        make_token(config)
        assert not (tmp_path / TOKEN).exists()
        assert token_files(config) == {role: [] for role in Role}


def test_the_daemon_asks_for_the_token_that_it_made(tmp_path: Path) -> None:
    daemon = build(
        {"state_dir": str(tmp_path), "serving.port": 0, "serving.make_token": True}, source=MemorySource([])
    )
    daemon.close()
    guard = make_access(load_config({"state_dir": str(tmp_path), "serving.make_token": True})).guard()
    assert all(guard.demands(role) for role in Role)


def test_a_certificate_that_cannot_be_used_is_found_by_the_check(
    ended: Callable[..., Any], elsewhere: None
) -> None:
    code, _, err = ended("config", "check", "--set", "serving.tls.certificate=/absent")
    assert (code, "serving.tls: /absent: No such file" in " ".join(err.split())) == (78, True)
    code, _, err = ended("config", "check", "--set", "serving.tls.client_ca=/absent")
    assert (code, "expected serving.tls.certificate beside" in " ".join(err.split())) == (78, True)


def test_what_is_open_or_closed_to_all_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "tokens"
    path.write_text("one\n")
    operate = {"serving.token_files.operate": str(path)}
    with caplog.at_level(logging.INFO):
        tell_access(load_config({"serving.host": "127.0.0.1"}))
        assert caplog.text == ""
        tell_access(load_config(BOUND | operate | {"serving.open_roles": ["teach", "read"]}))
        assert "no token has the role predict: nobody has it" in caplog.text
        assert "whoever reaches 0.0.0.0 may teach, read without a token" in caplog.text
        caplog.clear()
        tell_access(load_config({"serving.host": "::", "serving.open_roles": ["teach", "operate"]}))
        assert "whoever reaches :: may predict, teach, read, operate without a token" in caplog.text


def test_a_file_of_tokens_that_cannot_be_read_is_found_by_the_check(
    ended: Callable[..., Any], elsewhere: None, tmp_path: Path
) -> None:
    code, _, err = ended("config", "check", "--set", "serving.token_files.read=/absent")
    assert (
        code,
        "/absent: No such file or directory; expected a readable file" in " ".join(err.split()),
    ) == (78, True)
    (tmp_path / "tokens").write_text("one\n")
    assert ended("config", "check", "--set", f"serving.token_files.read={tmp_path / 'tokens'}")[0] == 0
