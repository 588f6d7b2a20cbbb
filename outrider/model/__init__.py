"""The nouns that every layer shares: streams, pods, the cluster, the clock and the counters."""
