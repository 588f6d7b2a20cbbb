"""An application of Spark for a test: it keeps an RDD, has had jobs, and runs until its input ends.

python real_app.py PORT     prints "ready" when there is something to be read at that port
"""

import sys
from typing import Any

from pyspark.sql import SparkSession  # type: ignore[import-not-found,unused-ignore]


def main() -> None:
    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.port": sys.argv[1],
        "spark.driver.memory": "512m",
        "spark.sql.streaming.metricsEnabled": "true",
    }
    builder = SparkSession.builder.master("local[2]").appName("shop")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session: Any = builder.getOrCreate()
    kept = session.sparkContext.parallelize(range(1000), 2).map(lambda n: (n % 7, n)).persist()
    kept.groupByKey().count()
    rows = session.readStream.format("rate").option("rowsPerSecond", 10).load()
    stream = rows.writeStream.queryName("orders").format("noop").start()
    stream.processAllAvailable()
    print("ready", flush=True)
    sys.stdin.read()
    stream.stop()
    session.stop()


if __name__ == "__main__":
    main()
