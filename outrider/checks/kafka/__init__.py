"""Kafka: a cluster as its own protocol tells of it."""
