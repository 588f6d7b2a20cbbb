"""MySQL, MariaDB, Percona Server, and the managed ones."""
