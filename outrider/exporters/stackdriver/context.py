"""Everything about an entry that its line does not say, prepared once per stream.

    …,"logName":"projects/acme/logs/stdout","resource":{"type":"k8s_container",…},"labels":{…}

ends every entry of a stream's stdout. It is made when the stream is taken up, and again when its pod's metadata change.
From `resource` on it is common to all entries of the stream, and stands once in a request that is for this stream alone
(block.py; logging.proto, `WriteLogEntriesRequest`). What GKE writes there is listed in docs/log-format.md with its
sources.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec
import orjson

from outrider import native
from outrider.exporters.block import MARK
from outrider.exporters.identity import stream_id
from outrider.exporters.stackdriver.severity import DEFAULTS
from outrider.exporters.stackdriver.shapes import Shape
from outrider.model.cluster import Cluster
from outrider.model.pod import Pod
from outrider.model.stream import Stream
from outrider.model.table import STDS

MAX_LABELS = 64
"""Labels that Cloud Logging takes with one entry (log_entry.proto); it refuses the entry beyond."""


FILE_LABEL = "agent.googleapis.com/log_file_path"
"""Where the Ops Agent has the path of a file (its `record_log_file_path`)."""
POD_LABELS = ("compute.googleapis.com/", "logging.gke.io/", "k8s-pod/")
"""How labels begin that say which pod it is, and where."""


def log_name(project: str, log_id: str) -> str:
    """`projects/<project>/logs/<log id>`, the id percent-encoded as log_entry.proto asks."""
    return f"projects/{project}/logs/{quote(log_id, safe='')}"


class StreamContext:
    """The constant parts of the entries of one stream, for one exporter.

    `shed` is called when labels beyond MAX_LABELS are left out: once for the pod's own, and for every line whose labels
    are too many together with them.
    """

    __slots__ = (
        "_resource",
        "_shed",
        "_stdout_stderr_names",
        "_strings",
        "_trace",
        "common",
        "id_head",
        "labels",
        "lasts",
        "shape",
        "tight",
        "wholes",
    )

    def __init__(
        self,
        stream: Stream,
        pod: Pod | None,
        cluster: Cluster,
        project: str,
        shed: Callable[[], None] = lambda: None,
    ) -> None:
        self._shed, self.tight = shed, False
        """`tight`: there was an entry that had no room for the labels of all others."""
        self.id_head = stream_id(stream)
        self._resource = _kept(
            {
                "type": "k8s_container",
                "labels": {
                    "project_id": cluster.project,
                    "location": cluster.location,
                    "cluster_name": cluster.name,
                    "namespace_name": stream.namespace,
                    "pod_name": stream.pod,
                    "container_name": stream.container,
                },
            }
        )
        self._stdout_stderr_names = {
            std: _kept(log_name(project, std.decode() or "stdout")) for std in (b"stdout", b"stderr", b"")
        }
        self.labels = _labels(pod, cluster)
        if stream.file:
            self.labels[FILE_LABEL] = stream.file
        if len(self.labels) > MAX_LABELS:
            shed()
        self.common = self._common({})
        self.lasts = {std: msgspec.Raw(name + MARK) for std, name in self._stdout_stderr_names.items()}
        """By std, the end of an entry from which what is common is left out, from the value of its `logName` on."""
        self.wholes = {std: self.last(std, {}) for std in self._stdout_stderr_names}
        """The same with nothing left out."""
        self.shape: Shape | None = None
        self._trace = f"projects/{project}/traces/".encode()
        self._strings = ("", b"")

    def last(self, std: bytes, more: Mapping[str, str]) -> msgspec.Raw:
        """The end of an entry, from the value of its `logName` on, for `std` with `more` labels, which win over ours.
        Beyond MAX_LABELS pod labels are left out first: an entry with fewer labels is better than none.
        """
        return msgspec.Raw(b"%b,%b" % (self._stdout_stderr_names[std], self._common(more)))

    def _common(self, more: Mapping[str, str]) -> bytes:
        labels = {**self.labels, **more}
        if len(labels) > MAX_LABELS:
            if more:
                self._shed()
                self.tight = True
            first = {k: v for k, v in labels.items() if k in more or not k.startswith("k8s-pod/")}
            labels = dict([*first.items(), *((k, v) for k, v in labels.items() if k not in first)][:MAX_LABELS])
        return b'"resource":%b,"labels":%b' % (self._resource, orjson.dumps(labels))

    def strings(self, generation: str) -> bytes:
        """What the native core has to know of the stream, for entries of one generation."""
        known, found = self._strings
        if known != generation or not found:
            by_std = [part for std in STDS for part in (DEFAULTS[std].encode(), bytes(self.lasts[std]))]
            found = native.strings(self.prefix(generation).encode(), *by_std, self._trace)
            self._strings = (generation, found)
        return found

    def prefix(self, generation: str) -> str:
        """The head of the insertIds of one generation's entries; ten hexadecimal digits of offset follow."""
        return f"{self.id_head.decode()}-{generation}-"


def _kept(value: Any) -> bytes:
    """`value` as JSON in no more memory than it needs: what orjson returns sits in a buffer of 4 KiB."""
    return bytes(memoryview(orjson.dumps(value)))


def _labels(pod: Pod | None, cluster: Cluster) -> dict[str, str]:
    labels = {"compute.googleapis.com/resource_name": cluster.node}
    if pod is not None:
        if pod.controller is not None:
            labels["logging.gke.io/top_level_controller_name"] = pod.controller.name
            labels["logging.gke.io/top_level_controller_type"] = pod.controller.type
        labels |= {"k8s-pod/" + key.replace(".", "_"): value for key, value in sorted(pod.labels.items())}
    return labels
