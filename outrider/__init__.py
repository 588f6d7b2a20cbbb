"""Outrider: pods' logs and third-party metrics, brought to Google Cloud and Datadog."""

__version__ = "0.1.0"
