"""How each method of a paper is put together from its settings."""
