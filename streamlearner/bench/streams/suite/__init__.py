"""Streams of many kinds, by family: each a data set in an order, with a test after it."""
