"""A DogStatsD server: what programs say over UDP and unix sockets, added up for ten seconds at a time."""
