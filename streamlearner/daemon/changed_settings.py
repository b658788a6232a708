"""Settings that shape learning, and are no longer those that a checkpoint was learned with."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from streamlearner.daemon import snapshot
from streamlearner.daemon.snapshot import LearningState
from streamlearner.errors import ConfigError, StreamlearnerError
from streamlearner.state.checkpoint import Checkpoint

log = logging.getLogger(__name__)

_SHOWN = 8
_ABSENT = object()


def compare(found: Checkpoint, *, method: str, digest: str, settings: Mapping[str, Any]) -> None:
    """Raises `ConfigError` for a checkpoint of another method; warns of other settings that changed since."""
    if found.manifest.method != method:
        raise ConfigError(
            f"checkpoint {found.path} was learned by method {found.manifest.method}, the configuration "
            f"says {method}: set method.name back, or choose another state_dir"
        )
    if found.manifest.config_digest != digest:
        which = _listed(found, settings)
        said = "settings that shape learning have changed since checkpoint %d%s"
        log.warning(said, found.number, which and f": {which}")


def restore(state: LearningState, found: Checkpoint, *, settings: Mapping[str, Any]) -> None:
    """Makes a fresh state the one that was saved. Raises `ConfigError` where that fails and settings have
    changed: not every part goes on from what another has learned."""
    try:
        snapshot.restore(state, found)
    except StreamlearnerError:
        raise  # says itself what is to be mended
    except Exception as error:
        if not (which := _listed(found, settings)):
            raise
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise ConfigError(
            f"checkpoint {found.path} cannot be gone on from with settings that changed since ({which}): set "
            f"back what it does not fit, or choose another state_dir ({why})"
        ) from error


def changes(before: Mapping[str, Any], now: Mapping[str, Any], *, within: str = "") -> Iterator[str]:
    """Settings that both have, with another value: `memory.sampling was 'balanced', is 'reservoir'`."""
    for name in before:
        old, new = before[name], now.get(name, _ABSENT)
        if new is _ABSENT or old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from changes(old, new, within=f"{within}{name}.")
        else:
            yield f"{within}{name} was {old!r}, is {new!r}"


def _listed(found: Checkpoint, settings: Mapping[str, Any]) -> str:
    """Nothing where none changed, or where the checkpoint is from before it had them."""
    which = list(changes(found.facts.get("settings") or {}, settings))
    rest = [f"and {len(which) - _SHOWN} more"] if len(which) > _SHOWN else []
    return "; ".join(which[:_SHOWN] + rest)
