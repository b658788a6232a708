"""README.md and the pages of docs/ as tests read them: their fenced blocks, links and headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\w*)$")
COMMENT = re.compile(r"^<!-- (.*) -->$")
NOT_RUN, FIRST_TERMINAL = "not run: ", "first terminal"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `mark` is the comment in the line before it; "" for none."""

    page: Path
    line: int
    kind: str
    text: str
    mark: str

    @property
    def is_run(self) -> bool:
        return not self.mark.startswith(NOT_RUN)

    @property
    def file(self) -> str | None:
        """The file that the block is: its first line is a comment with nothing but the name."""
        found = re.match(r"# ([\w/.-]+\.(?:py|yaml|toml))\n", self.text)
        return found[1] if found else None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Every page that a reader is led to."""
    beside = [ROOT / "README.md", ROOT / "deploy" / "README.md"]
    return [*beside, *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """In their order. Raises ValueError for a fence without an end."""
    found: list[Block] = []
    begin, kind, inside = 0, "", False
    lines = page.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        if not line.startswith("```"):
            continue
        if not inside:
            fence = FENCE.match(line)
            if fence is None:
                raise ValueError(f"{page}:{number}: {line!r} is no fence that tests can read")
            begin, kind, inside = number, fence[1], True
            continue
        inside = False
        before = COMMENT.match(lines[begin - 2]) if begin > 1 else None
        text = "\n".join(lines[begin : number - 1]) + "\n"
        found.append(Block(page, begin, kind, text, before[1] if before else ""))
    if inside:
        raise ValueError(f"{page}:{begin}: a fence without an end")
    return found


def of_kind(kind: str) -> list[Block]:
    """All blocks of that kind, of all pages."""
    return [block for page in pages() for block in blocks(page) if block.kind == kind]


def commands(block: Block) -> list[str]:
    """The `streamlearner` commands of a shell block, each with the variables set before it."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [line for line in lines if re.match(r"(\w+=('[^']*'|\S+) )*streamlearner ", line)]


def links(page: Path) -> list[str]:
    """Targets of links and pictures, outside of fenced blocks."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


def anchors(page: Path) -> set[str]:
    """What `#...` may name: headings as GitHub spells them, a number behind those that come again."""
    seen: dict[str, int] = {}
    names = set()
    for heading in re.findall(r"^#{1,6} (.+)$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")
        count = seen[name] = seen.get(name, -1) + 1
        names.add(f"{name}-{count}" if count else name)
    return names


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
