"""Which lengths a code of vectors may have, in bits, and the next one either way."""

from __future__ import annotations

from collections.abc import Sequence

LONGER = (2, 3)
"""Lengths of codes between `code_bits` and the whole vector, in units of `code_bits`."""


def lengths_of(code_bits: int, *, least: int, whole: int) -> list[int]:
    """Ascending: `code_bits` by halves to `least`, `code_bits`, longer ones, and the `whole`."""
    longer = {min(whole, code_bits * times) for times in (1, *LONGER)} | {whole}
    least = min(code_bits, least)
    return sorted(longer | {max(least, code_bits >> k) for k in range(code_bits.bit_length())})


def shorter(lengths: Sequence[int], *, than: int, most: float, least: int) -> int | None:
    """The longest of at most `most` bits, or the shortest, of those shorter `than` this; none below
    `least`. None where that is as short already."""
    allowed = [bits for bits in lengths if least <= bits < than]
    if than <= most or not allowed:
        return None
    return max([bits for bits in allowed if bits <= most], default=allowed[0])


def longer(lengths: Sequence[int], *, than: int, most: float) -> int | None:
    """The next longer `than` this, where it is of at most `most` bits."""
    return min((bits for bits in lengths if than < bits <= most), default=None)
