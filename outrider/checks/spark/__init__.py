"""Apache Spark: its applications, found by themselves, by a standalone master or by YARN."""
