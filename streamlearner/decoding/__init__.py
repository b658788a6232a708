"""Messages from a stream, or bodies from HTTP, to validated examples."""
