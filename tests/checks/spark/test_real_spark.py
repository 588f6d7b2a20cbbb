"""The check `spark` against a real one, where pyspark is installed: `pip install pyspark`, and a Java."""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checks.product import Asked
from tests.checks.products.spark import PRODUCT
from tests.checks.spark.asking import ask_once, datadog, google, of
from tests.support.server import free_port
from tests.support.wait import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.may_skip("pyspark has 491 MB, and takes 14 s to start; its recorded answers are tested everywhere"),
]
NEEDS_MORE = ("streaming.", "executor.", "executor_level.")
"""What an application without DStreams and without executors of its own has not got."""


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("pyspark is not installed")
    if shutil.which("java") is None:
        pytest.skip("there is no Java for pyspark")
    port, log = free_port(), tmp_path_factory.mktemp("spark") / "log"
    command = [sys.executable, str(Path(__file__).with_name("real_app.py")), str(port)]
    with open(log, "wb") as out, subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=out) as process:
        until(lambda: process.poll() is not None or b"ready" in log.read_bytes(), 120, every=0.2)
        assert process.poll() is None, log.read_text()[-3000:]
        yield f"http://127.0.0.1:{port}"
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)


def _asked(url: str) -> Asked:
    asked = ask_once(url, query_name_tag=True)
    assert asked.trouble is None, asked.trouble
    return asked


def test_everything_that_is_declared_is_seen(spark: str) -> None:
    declared = PRODUCT.load()[1].metrics

    def everything() -> Asked | None:
        asked = _asked(spark)
        seen = {point.metric.key for point in asked.report.points}
        return asked if {k for k in declared if not k.startswith(NEEDS_MORE)} <= seen else None

    asked = until(everything, 60, every=0.5)
    assert asked is not None
    found = datadog(asked)
    assert of(found, "spark.executor.count") == {"": 1}
    assert of(found, "spark.rdd.num_cached_partitions") == {"": 2}
    assert of(found, "spark.structured_streaming.latency").keys() == {"query_name:orders"}
    assert of(found, "spark.job.num_completed_tasks")["job_id:0 stage_id:0 stage_id:1 status:succeeded"] == 4
    assert of(google(asked), "spark.executor.task.active").keys() == {"executor_id:driver"}
