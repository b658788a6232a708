"""Settings that once had another name: old files still work, and say what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamlearner.config.loading import Config, load
from streamlearner.config.problems import setting
from streamlearner.config.renamed import RENAMED, complement
from streamlearner.errors import ConfigError


def test_every_renamed_setting_leads_from_no_key_to_one_of_today() -> None:
    keys = [(tuple(each.old.split(".")), tuple(each.new.split("."))) for each in RENAMED]
    assert [old for old, _ in keys if setting(Config, old) is not None] == []
    assert [new for _, new in keys if setting(Config, new) is None] == []


def test_an_old_key_is_read_and_the_new_one_named_with_its_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "old.yaml"
    file.write_text("method:\n  holding: 7.0\n  masked_generator: {sharpest: 50.0}\n  averaging_pace: 0.02\n")
    found = load(path=file, environ={"STREAMLEARNER_METHOD__ECHOES_PER_STEP": "3"})
    assert (found.method.ewc_lambda, found.method.masked_generator.s_max) == (7.0, 50.0)
    assert (found.method.views_per_step, found.method.ema_decay) == (3, 0.98)
    assert [record.getMessage() for record in caplog.records] == [
        f"{file}:2: method.holding is called method.ewc_lambda now",
        f"{file}:3: method.masked_generator.sharpest is called method.masked_generator.s_max now",
        f"{file}:4: method.averaging_pace is called method.ema_decay now, and counts the other "
        "way: write 0.98",
        "environment STREAMLEARNER_METHOD__ECHOES_PER_STEP: method.echoes_per_step is called "
        "method.views_per_step now",
    ]


def test_todays_keys_warn_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    load(path=None, environ={}, settings={each.new: "0.5" for each in RENAMED[:1]})
    assert caplog.records == []


@pytest.mark.parametrize("pace", [0.005, 0.02, 0.05, 0.1, 1 / 3, 0.999, 1.0])
def test_a_pace_becomes_a_decay_and_back_the_same_number(pace: float) -> None:
    assert complement(complement(round(pace, 12))) == round(pace, 12)


def test_a_wrong_value_under_an_old_key_is_refused_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"--set method.averaging_pace: expected a number .*found the text"):
        load(path=None, environ={}, settings={"method.averaging_pace": "fast"})


def test_a_renamed_setting_changes_no_digest() -> None:
    """As computed before any was renamed: a checkpoint of then must not say that settings have changed."""
    assert load(path=None, environ={}).digest() == (
        "52816b0eea4dee4307dd6225ca2f9db215ac682a09c5d6dafbbca0d88aba13ef"
    )
    paced = load(path=None, environ={}, settings={"method.averaging_pace": 0.02}).digest()
    assert paced == "32ace41ba8b31e0c089c24a74ba957053f7a1f5c45c5059db217b518870256dd"
