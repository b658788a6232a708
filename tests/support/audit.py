"""Asks the public advisories about every version in constraints.txt. `make audit` runs it.

Exit code 1 where one has a known hole. Where the advisories cannot be reached nothing is known, and that is
said: an index that has no advisories answers pip-audit, too, which then finds nothing wrong.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / ".venv" / "audit"
TIMEOUT_S = 300.0


def main() -> int:
    """Audits, says what was found, and returns the exit code."""
    try:
        found = report()
    except (OSError, subprocess.SubprocessError) as error:
        print(f"audit: pip-audit cannot be had here ({error}): nothing was audited")
        return 0
    code, text = judged(found)
    print(f"audit: {text}")
    return code


def report() -> Any:
    """What pip-audit says of the pinned versions; None where it reached nothing. Installed apart: its
    dependencies are not ours."""
    python = TOOL / "bin" / "python"
    if not (TOOL / "bin" / "pip-audit").exists():
        venv.create(TOOL, with_pip=True)
        subprocess.run(
            [python, "-m", "pip", "install", "-qq", "pip-audit"],
            check=True,
            timeout=TIMEOUT_S,
            capture_output=True,
        )
    words = ["-m", "pip_audit", "-r", "constraints.txt", "--no-deps", "--disable-pip", "--format", "json"]
    asked = subprocess.run(
        [python, *words, "--progress-spinner", "off"],
        cwd=ROOT,
        timeout=TIMEOUT_S,
        capture_output=True,
        text=True,
    )
    try:
        return json.loads(asked.stdout)
    except ValueError:
        return None


def judged(found: Any) -> tuple[int, str]:
    """Exit code and words for a report."""
    versions = found["dependencies"] if found else []
    audited = [one for one in versions if "skip_reason" not in one]
    if not audited:
        return 0, "the advisories cannot be reached from here: nothing was audited"
    holes = [
        f"{one['name']} {one['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'none'}"
        for one in audited
        for hole in one["vulns"]
    ]
    said = f"{len(audited)} of {len(versions)} pinned versions audited, {len(holes)} known holes"
    return (1 if holes else 0), "\n  ".join([said, *holes])


if __name__ == "__main__":
    sys.exit(main())
