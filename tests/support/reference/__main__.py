"""Writes every generated part of the docs anew, and prints which pages changed."""

from __future__ import annotations

from tests.support.reference import ROOT, pages, renewed


def main() -> None:
    for path in pages():
        before = path.read_text()
        after = renewed(before)
        if after != before:
            path.write_text(after)
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
