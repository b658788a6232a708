"""Associations: they encode an input as a short discrete code, and decode it."""
