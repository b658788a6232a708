"""The audit of dependencies says what it knows, and that it knows nothing where it reached no advisories."""

from __future__ import annotations

from typing import Any

from tests.support.audit import judged

SKIPPED = {"name": "torch", "skip_reason": "Dependency not found on PyPI and could not be audited"}
SOUND = {"name": "h11", "version": "0.16.0", "vulns": []}
HOLE = {"id": "PYSEC-2026-1", "fix_versions": ["14.0.1"]}


def report(*versions: Any) -> Any:
    return {"dependencies": list(versions)}


def test_where_no_advisories_were_reached_it_does_not_claim_that_all_is_well() -> None:
    for nothing in (None, report(), report(SKIPPED, SKIPPED)):
        code, text = judged(nothing)
        assert (code, "nothing was audited" in text) == (0, True)


def test_it_counts_what_was_audited() -> None:
    assert judged(report(SOUND, SKIPPED)) == (0, "1 of 2 pinned versions audited, 0 known holes")


def test_a_known_hole_ends_with_1_and_is_named() -> None:
    code, text = judged(report(SOUND, {"name": "pillow", "version": "13.0.0", "vulns": [HOLE]}))
    assert code == 1
    assert "pillow 13.0.0: PYSEC-2026-1, mended in 14.0.1" in text
