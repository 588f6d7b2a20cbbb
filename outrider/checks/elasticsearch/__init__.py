"""Elasticsearch, and OpenSearch: nodes and clusters by their HTTP API."""
