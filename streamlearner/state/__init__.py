"""State on disk that survives kill -9."""
