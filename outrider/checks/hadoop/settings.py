"""What the check `hadoop` may be told."""

from typing import Annotated, ClassVar

import msgspec

from outrider.checks.check import CheckSettings
from outrider.checks.tls import TlsSettings
from outrider.config import forms
from outrider.config.secrets import Secret
from outrider.config.shape import Doc, Hidden, Int, Members


class HadoopSettings(CheckSettings, frozen=True, kw_only=True):
    """The daemons of a Hadoop: those whose URLs are set are read."""

    addresses: ClassVar[tuple[str, ...]] = ("namenode_url", "datanode_url", "resourcemanager_url", "history_url")

    namenode_url: Annotated[
        str | None, forms.URL, Doc("Where a NameNode of HDFS is, such as http://127.0.0.1:9870 (50070 before 3.0).")
    ] = None
    datanode_url: Annotated[
        str | None, forms.URL, Doc("Where a DataNode is, such as http://127.0.0.1:9864 (50075 before 3.0).")
    ] = None
    resourcemanager_url: Annotated[
        str | None, forms.URL, Doc("Where YARN's ResourceManager is, such as http://127.0.0.1:8088.")
    ] = None
    history_url: Annotated[
        str | None, forms.URL, Doc("Where the history server of MapReduce is, such as http://127.0.0.1:19888.")
    ] = None
    cluster_name: Annotated[
        str,
        forms.TAG,
        Doc("What the cluster is called: the tags `yarn_cluster`, `mapreduce_cluster` and `cluster_name`."),
    ] = "default_cluster"
    username: Annotated[str | None, forms.NAME, Doc("User, if they ask for one.")] = None
    password: Annotated[Secret | None, Hidden(), Doc("Password of the user.")] = None
    tls: Annotated[TlsSettings, Doc("TLS, if a URL begins with https.")] = TlsSettings()
    mapreduce_jobs: Annotated[
        bool,
        Doc("Whether running MapReduce jobs are read, at the addresses that the ResourceManager tells."),
    ] = True
    exclude_queues: Annotated[
        list[forms.Glob], Members(unique=True), Doc("Queues of YARN that are not reported.", default="none")
    ] = msgspec.field(default_factory=list)
    top: Annotated[
        int,
        Int(1, 10_000),
        Doc("How many applications, nodes, queues and jobs each are reported one by one; the rest are `other`."),
    ] = 100

    @property
    def leads_on(self) -> str:
        """The ResourceManager tells where running jobs are asked."""
        return "mapreduce_jobs" if self.mapreduce_jobs and self.resourcemanager_url is not None else ""
