"""Programs that run once per node or once per cluster."""
