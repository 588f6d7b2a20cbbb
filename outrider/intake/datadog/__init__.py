"""Datadog's APIs beside Google's, on the same listener: logs and their search; metrics, service checks and events.

They share the clock, the faults and the HTTP server with the other APIs, and nothing that decides about what is sent.
"""
