"""Datadog's log API beside Cloud Logging's, on the same listener: intake (`POST /api/v2/logs`) and search.

It shares the clock, the faults and the HTTP server with the other API, and nothing that decides about a log.
"""
