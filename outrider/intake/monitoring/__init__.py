"""Cloud Monitoring's API (v3) beside Cloud Logging's: time series, metric descriptors, monitored resource descriptors.

It shares the clock, the faults and the servers with the other APIs, and nothing that decides about a time series.
"""
