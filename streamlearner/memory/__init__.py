"""The recollection memory: packed codes inside a budget of bits."""
