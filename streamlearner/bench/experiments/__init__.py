"""Experiments: one file for each table or curve."""
