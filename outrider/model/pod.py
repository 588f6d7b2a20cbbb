"""What is known of a pod beyond its log path: labels, annotations and the workload that owns it.

The structs are decoded straight from the kubelet's or API server's raw JSON (only the fields named here are built),
kept in memory for every pod of the node, and written to the snapshot beside the cursors.
"""

import msgspec


class Controller(msgspec.Struct, frozen=True, gc=False):
    """The top-level workload of a pod, as `logging.gke.io/top_level_controller_{type,name}` name it."""

    type: str
    name: str


class Pod(msgspec.Struct, frozen=True):
    """One pod of this node. `uid` is the uid its log directory carries (see `Stream.uid`)."""

    uid: str
    name: str
    namespace: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    controller: Controller | None = None
