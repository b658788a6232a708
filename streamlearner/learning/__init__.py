"""All that is learned, as one unit."""
