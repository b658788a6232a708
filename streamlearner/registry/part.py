"""A registry: what there is of one kind of part, by name. The code of a part is imported when it is used."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from streamlearner.errors import ConfigError
from streamlearner.registry.section import Section

TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
"""`package.module:Name`: where a part's code is, as entry points have it."""

log = logging.getLogger(__name__)


class UnknownPart(ConfigError, LookupError):
    """There is no part of this name."""


class BrokenPart(ConfigError):
    """The part is there, but its code cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a kind. Its settings stand in the section `under`; those of "" beside the part's name.
    `distribution` names the installed package that brought it: None for those that are shipped. `contract`,
    where there is one, is what a class of someone else's must extend."""

    kind: str
    name: str
    target: str
    summary: str = ""
    settings: type[Section] | None = None
    under: str = ""
    is_shipped: bool = False
    distribution: str | None = None
    contract: str | None = None

    def load(self) -> Any:
        """What `target` names: mostly a class. Raises BrokenPart."""
        try:
            found = resolve(self.target)
        except ConfigError as error:
            raise BrokenPart(f"{self}: {error}{self._mend}") from error
        if self.contract and not self.is_shipped and isinstance(found, type):
            base = resolve(self.contract)
            if not issubclass(found, base):
                raise BrokenPart(f"{self}: expected a class that extends {base.__module__}.{base.__name__}")
        return found

    def section(self) -> type[Section] | None:
        """Its settings: those it was registered with, else the class `Settings` in its class, if it has one.
        Imports the code of a part that is not shipped. Raises BrokenPart."""
        if self.is_shipped:
            return self.settings
        found = getattr(self.load(), "Settings", None)
        if found is None or (isinstance(found, type) and issubclass(found, Section)):
            return found
        raise BrokenPart(f"{self}: its Settings extend no {Section.__module__}.Section")

    @property
    def _mend(self) -> str:
        brought = self.distribution
        return f": mend the plug-in, or uninstall it: pip uninstall {brought}" if brought else ""

    def __str__(self) -> str:
        if self.distribution:
            return f"{self.kind} {self.name} of the distribution {self.distribution} ({self.target})"
        return f"{self.kind} {self.name}"


class Registry:
    """The parts of one kind. `register` takes those that are shipped; a distribution brings its own by
    entry points of the group `streamlearner.<plural>`; `find` also takes `package.module:Name`."""

    def __init__(self, kind: str, *, plural: str, contract: str | None = None) -> None:
        self.kind = kind
        self.group = f"streamlearner.{plural}"
        self.contract = contract
        self._shipped: dict[str, Part] = {}

    def register(
        self,
        name: str,
        target: str,
        summary: str = "",
        *,
        settings: type[Section] | None = None,
        under: str | None = None,
    ) -> None:
        """A shipped part. Its `settings`, if it has any, are a section of the same name, but for `under`."""
        self._shipped[name] = Part(
            kind=self.kind,
            name=name,
            target=target,
            summary=summary,
            settings=settings,
            under=name if under is None else under,
            is_shipped=True,
        )

    @property
    def shipped(self) -> list[Part]:
        return list(self._shipped.values())

    @cached_property
    def installed(self) -> dict[str, list[Part]]:
        """What distributions bring, by name: one of each name, unless they quarrel. Imports none of it."""
        found: dict[str, list[Part]] = {}
        for entry in importlib.metadata.entry_points(group=self.group):
            part = Part(
                kind=self.kind,
                name=entry.name,
                target=entry.value,
                under=section_key(entry.name),
                distribution=entry.dist.name if entry.dist else "unknown",
                contract=self.contract,
            )
            if entry.name in self._shipped:
                log.warning("%s is not used: there is one of this name; name it %s", part, part.target)
            elif part not in (parts := found.setdefault(entry.name, [])):
                parts.append(part)
        return found

    def names(self) -> list[str]:
        """Those shipped in the order of their registration, then those installed."""
        return [*self._shipped, *sorted(self.installed)]

    def find(self, name: str) -> Part:
        """The part of this name; its code is not imported yet. Raises UnknownPart."""
        if name in self._shipped:
            return self._shipped[name]
        if TARGET.fullmatch(name):
            under = section_key(name.rpartition(":")[2])
            return Part(kind=self.kind, name=name, target=name, under=under, contract=self.contract)
        parts = self.installed.get(name, [])
        if len(parts) > 1:
            brought = " and ".join(f"{part.distribution} ({part.target})" for part in parts)
            raise UnknownPart(f"{self.kind} {name}: two bring it, {brought}; name one by its target")
        if parts:
            return parts[0]
        raise UnknownPart(f"there is no {self.kind} {name[:100]!r}; {nearest(name, self.names())}")

    def described(self) -> str:
        """Each shipped part with its line."""
        return "; ".join(f"{part.name}: {part.summary}" for part in self.shipped)


def section_key(name: str) -> str:
    """`my_method` of MyMethod, as keys are written; of my-method, too."""
    return re.sub(r"\W", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)).lower()


def nearest(name: str, names: Iterable[str]) -> str:
    """`the nearest is 'push', and these are known: push, kafka`."""
    known = list(names)
    near = difflib.get_close_matches(name[:100], known, n=1, cutoff=0.0)
    return f"the nearest is {near[0]!r}, and these are known: {', '.join(known)}" if near else "none is known"


def resolve(target: str) -> Any:
    """What `package.module:Name` names. Raises ConfigError that says what is missing."""
    module_name, _, name = target.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        mend = f"install what has it into this Python, or put its folder into PYTHONPATH, for {target}"
        raise ConfigError(f"there is no module {missing}; {mend}") from error
    except Exception as error:  # it is someone's code, and may raise anything
        failure = f"{type(error).__name__}: {error}"
        raise ConfigError(f"the import of {module_name} ended with {failure}") from error
    for attribute in name.split("."):
        if not hasattr(found, attribute):
            near = difflib.get_close_matches(attribute, dir(found), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"{module_name} has no {name}{hint}")
        found = getattr(found, attribute)
    return found
