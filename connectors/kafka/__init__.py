"""A Kafka topic as a source, and as a place for dead letters."""
