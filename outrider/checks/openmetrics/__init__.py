"""Any endpoint of Prometheus metrics."""
