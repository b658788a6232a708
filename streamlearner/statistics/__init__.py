"""Statistics that a stream leaves behind without a gradient: exact sums by class, and what they answer.

averaging.py        images averaged over blocks
directions.py       a raw input to whole numbers along so many directions
scale.py            how a vector's columns are measured, alike by all who learn parts of one stream
class_sums.py       counts, sums and scatter of those numbers: add, subtract, merge
discriminant.py     linear discriminant analysis on them
statistics.py       the three together, inside a budget of bits
packed_integers.py  whole numbers in no more bits than they need
excess.py           what is packed of sums
packed_sums.py      what `class_sums` holds, packed
leading.py          statistics of features that come in order, those that tell most first
"""
