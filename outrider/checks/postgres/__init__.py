"""PostgreSQL, read from its statistics views."""
