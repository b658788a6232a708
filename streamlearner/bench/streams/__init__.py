"""Streams of examples, and what is trained on them."""
