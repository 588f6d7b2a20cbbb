"""nginx: the open one by its page of counters, NGINX Plus by its API."""
