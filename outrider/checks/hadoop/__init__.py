"""Apache Hadoop: HDFS, YARN and MapReduce, through the HTTP interfaces of their daemons."""
