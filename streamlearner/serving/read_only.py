"""Access to what only answers: routes that teach, or operate, are refused before anything of them is read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields

from starlette.requests import Request

from streamlearner.serving.access import Access
from streamlearner.serving.guard import Guard
from streamlearner.serving.problems import Problem
from streamlearner.serving.tokens import Role

REFUSED = (Role.TEACH, Role.OPERATE)


@dataclass(frozen=True, slots=True)
class ReadOnlyAccess(Access):
    """As `Access`; `refused` are roles that nobody has, `why` is what a refusal says."""

    why: str = "this only answers"
    refused: Collection[Role] = REFUSED

    @classmethod
    def of(cls, access: Access, *, why: str, refused: Collection[Role] = REFUSED) -> ReadOnlyAccess:
        """With the same settings."""
        same = {each.name: getattr(access, each.name) for each in fields(access)}
        return cls(**same, why=why, refused=refused)

    def guard(self) -> Guard:
        return _ReadOnly(Access.guard(self), why=self.why, refused=self.refused)


class _ReadOnly(Guard):
    """Asks for tokens as ever: who has none is not told more."""

    def __init__(self, guard: Guard, *, why: str, refused: Collection[Role]) -> None:
        self.__dict__.update(vars(guard))
        self._why, self._refused = why, refused

    def admit(self, role: Role | None, request: Request) -> None:
        super().admit(role, request)
        if role in self._refused:
            raise Problem(409, self._why, kind="read-only")
