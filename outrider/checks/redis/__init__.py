"""Redis, and what speaks its protocol: Valkey, KeyDB, the managed ones."""
