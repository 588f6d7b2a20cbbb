"""What the check `spark` may be told."""

from typing import Annotated, Literal

from outrider.checks.check import CheckSettings
from outrider.checks.tls import TlsSettings
from outrider.config import forms
from outrider.config.secrets import Secret
from outrider.config.shape import Doc, Hidden, Int

Mode = Literal["driver", "standalone", "yarn"]


class SparkSettings(CheckSettings, frozen=True, kw_only=True):
    """The applications of a Spark."""

    url: Annotated[
        forms.Url, Doc("Where the driver's interface is; or that of the standalone master, or YARN's ResourceManager.")
    ] = "http://127.0.0.1:4040"
    mode: Annotated[
        Mode,
        Doc(
            "What is at `url`: one application (`driver`), or who knows where all are. The check then asks the drivers "
            "too, at the addresses that it is told there."
        ),
    ] = "driver"
    cluster_name: Annotated[
        str, forms.TAG, Doc("What the cluster is called: the tags `spark_cluster` and `cluster_name`.")
    ] = "default_cluster"
    username: Annotated[str | None, forms.NAME, Doc("User, if it asks for one.")] = None
    password: Annotated[Secret | None, Hidden(), Doc("Password of the user.")] = None
    tls: Annotated[TlsSettings, Doc("TLS, if a URL begins with https.")] = TlsSettings()
    stage_metrics: Annotated[bool, Doc("Whether stages are reported.")] = True
    streaming_metrics: Annotated[bool, Doc("Whether streams are reported.")] = True
    executor_level_metrics: Annotated[
        bool, Doc("Whether Datadog gets executors one by one (`spark.executor.id.*`), not only their sums.")
    ] = False
    query_name_tag: Annotated[
        bool, Doc("Whether structured streams have the tag `query_name`. Without it they are taken together.")
    ] = False
    max_jobs: Annotated[
        int, Int(1, 100_000), Doc("How many jobs are reported one by one: those that run first. The rest are `other`.")
    ] = 100
    max_stages: Annotated[int, Int(1, 100_000), Doc("How many stages, in the same way.")] = 100
    max_executors: Annotated[int, Int(1, 100_000), Doc("How many executors, in the same way.")] = 100

    @property
    def leads_on(self) -> str:
        """A master and YARN tell where the drivers are."""
        return "" if self.mode == "driver" else "mode"
