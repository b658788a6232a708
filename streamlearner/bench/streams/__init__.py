"""Streams of examples in an order, and one daemon that learns them, evaluated along the way."""
