"""The settings of single methods."""
