"""Associations: an input to a short discrete code and back."""
