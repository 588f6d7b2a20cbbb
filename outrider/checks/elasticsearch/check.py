"""An Elasticsearch or OpenSearch, read over HTTP: what the node that answers says of itself, and of its cluster.

    GET /_nodes/_local/stats        counters, memory, pools, breakers, disks of the node (nodes.py)
    GET /_cluster/health            shards, nodes, colour (cluster.py)
    GET /_cluster/pending_tasks
    GET /_cat/templates
    GET /_stats, /_cat/indices, ... if asked for (indices.py)

Which numbers are reported does not depend on the version but on what is there: a newer version that counts something
else needs a line in `metrics.yaml`. Names and tags are those of Datadog's check `elastic`.

What a right or a master is missing for costs only that; it is told at the end, when all the rest was read.
"""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from outrider.checks.check import CheckError, Reading, SilentError
from outrider.checks.elasticsearch.api import Api, NotOfferedError
from outrider.checks.elasticsearch.cluster import (
    Health,
    report_allocation,
    report_pending,
    report_snapshots,
    report_templates,
)
from outrider.checks.elasticsearch.indices import Indices, Primaries
from outrider.checks.elasticsearch.nodes import Nodes
from outrider.checks.elasticsearch.settings import ElasticsearchSettings

Part = tuple[str, Callable[[], None]]
"""How the keys begin of what it reports, and what reports it."""


class ElasticsearchCheck:
    """Reads one node, or through it all nodes of its cluster."""

    Settings = ElasticsearchSettings
    can_connect = "elasticsearch.can_connect"

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._settings = settings
        self._api = Api(settings)
        parts = urlsplit(settings.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self._where = {"host": parts.hostname or "", "port": str(port)}
        self._nodes, self._health = Nodes(settings), Health(settings.submit_events)
        self._primaries, self._indices = Primaries(), Indices(settings.max_indices)

    def read(self, reading: Reading) -> None:
        """Everything that the settings ask for. Raises CheckError."""
        self._api.start()
        try:
            cluster, nodes = self._nodes.ask(self._api)
            tags = {"url": self._api.url, "elastic_cluster": cluster, "cluster_name": cluster}
            self._nodes.report(reading, nodes, tags)
            self._read_cluster(reading, tags)
        except BaseException:
            self.close()
            raise
        finally:  # can_connect is not about the cluster, whose name a node that is down does not tell
            reading.instance(**self._where)

    def close(self) -> None:
        self._api.close()

    def _read_cluster(self, reading: Reading, tags: dict[str, str]) -> None:
        trouble: CheckError | None = None
        for begin, report in self._parts(reading, tags):
            try:
                report()
            except SilentError:
                raise  # it has used up the time of the others too
            except CheckError as e:
                reading.lacks_all(begin, str(e))
                if not isinstance(e, NotOfferedError):
                    trouble = trouble or e
        if trouble is not None:
            raise trouble

    def _parts(self, reading: Reading, tags: dict[str, str]) -> Iterator[Part]:
        api, settings = self._api, self._settings
        yield "health.", lambda: self._health.report(reading, api, tags, self._where)
        if settings.pending_task_stats:
            yield "pending.", lambda: report_pending(reading, api)
        yield "templates.", lambda: report_templates(reading, api)
        if settings.pshard_stats:
            yield "primaries.", lambda: self._primaries.report(reading, api, tags)
        if settings.index_stats:
            yield "index.", lambda: self._indices.report(reading, api, tags)
        if settings.cat_allocation_stats:
            yield "allocation.", lambda: report_allocation(reading, api, tags)
        if settings.slm_stats:
            yield "slm.", lambda: report_snapshots(reading, api)
