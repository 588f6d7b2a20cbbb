"""Datadog: logs over the v2 intake."""
