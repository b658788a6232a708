"""Statistics that a stream leaves behind without a gradient: exact sums by class, and what they answer.

directions.py       a raw input to whole numbers along so many directions
class_sums.py       counts, sums and scatter of those numbers: add, subtract, merge
discriminant.py     linear discriminant analysis on them
statistics.py       the three together, inside a budget of bits
"""
