"""Records whose schema is in a Schema Registry, in Confluent's wire format: Avro, Protobuf, JSON."""
