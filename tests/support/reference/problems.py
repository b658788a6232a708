"""Every kind of problem that an error may be."""

from __future__ import annotations

from streamlearner.serving.problem_kinds import KINDS
from tests.support.reference.markdown import code, table


def page() -> str:
    """A table of all, by status."""
    rows = [(str(kind.status), code(name), kind.title) for name, kind in KINDS.items()]
    return table(("status", "kind", "title"), rows)
