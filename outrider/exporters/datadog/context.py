"""Everything about an entry that its line does not say, prepared once per stream.

    …,"hostname":"node-1","service":"shop","ddsource":"nginx","ddtags":"env:prod,…"

is in every entry of a stream: it stands in all of them as the value of `hostname`. The keys stand in the order of the
Agent's own encoder (`pkg/logs/processor/json.go`); `outrider.id` follows.

Service and source: what the pod's annotation says, else (service only) the standard `service` tag, else the short name
of the image, else `kubernetes` (datadog-agent, `pkg/logs/launchers/container/tailerfactory/defaults.go`).
"""

from collections.abc import Sequence

import msgspec
import orjson

from outrider import native
from outrider.exporters.datadog.annotations import Asked, asked
from outrider.exporters.datadog.rules import Rule, Rules
from outrider.exporters.datadog.tags import MAX_TAG, container_tags, image_of, standard
from outrider.exporters.identity import stream_id
from outrider.model.cluster import Cluster
from outrider.model.pod import Pod
from outrider.model.stream import Stream
from outrider.model.table import STDS

_dumps = orjson.dumps
_NOBODY = "kubernetes"
MAX_PROBLEMS = 20
"""Of a pod's annotations, that are said; each may be as long as somebody likes."""
_NO_HOST = "unknown"
STATUS = {b"stdout": "info", b"stderr": "error", b"": "info"}
"""By stream; b"" is a line of the file that no container runtime wrote."""


class StreamContext:
    """The constant parts of the entries of one stream. `problems` has words about what its pod's annotations say and
    nobody can use; `shed` is how many tags were left out or cut. `excluded`: none of its lines is to be sent.
    """

    __slots__ = ("_strings", "excluded", "id_head", "last", "problems", "rules", "shed")

    def __init__(
        self, stream: Stream, pod: Pod | None, cluster: Cluster, tags: Sequence[str] = (), rules: Sequence[Rule] = ()
    ) -> None:
        wish = asked(pod.annotations, stream.container) if pod is not None else Asked()
        config = wish.config
        annotated = [f"sourcecategory:{config.sourcecategory}"] if config.sourcecategory else []
        found = container_tags(stream, pod, cluster, tags, [*annotated, *config.tag_list()])
        self.shed = found.shed
        self.rules = Rules(rules, wish.rules)
        problems = [*wish.problems, *found.problems, *self.rules.problems]
        self.problems = [" ".join(p[:300].split()) for p in problems[:MAX_PROBLEMS]]
        self.excluded = wish.excluded
        image = image_of(pod, stream.container).short
        fields = {
            "service": (config.service or standard(pod, stream.container).service or image or _NOBODY)[:MAX_TAG],
            "ddsource": (config.source or image or _NOBODY)[:MAX_TAG],
            "ddtags": ",".join(found.tags),
        }
        self.id_head = f"{stream_id(stream).decode()}-"
        self.last = msgspec.Raw(_dumps(cluster.node or _NO_HOST) + b"," + _dumps(fields)[1:-1])
        self._strings = ("", b"")

    def strings(self, generation: str) -> bytes:
        """What the native core has to know of the stream, for entries of one generation."""
        known, found = self._strings
        if known != generation or not found:
            by_std = [part for std in STDS for part in (STATUS[std].encode(), bytes(self.last))]
            found = native.strings(f"{self.id_head}{generation}-".encode(), *by_std)
            self._strings = (generation, found)
        return found
