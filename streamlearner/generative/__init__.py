"""Generative memories (papers 001 and 004)."""
