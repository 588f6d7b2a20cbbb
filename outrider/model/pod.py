"""What is known of a pod beyond its log path: labels, annotations and the workload that owns it.

The structs are decoded straight from the kubelet's or API server's raw JSON (only the fields named here are built),
kept in memory for every pod of the node, and written to the snapshot beside the cursors.
"""

import msgspec

KEPT_ENV = frozenset({"DD_ENV", "DD_SERVICE", "DD_VERSION", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"})
"""Environment variables of a container that are kept: they name its service, and none of them is a secret."""


class Controller(msgspec.Struct, frozen=True, gc=False):
    """The top-level workload of a pod, as `logging.gke.io/top_level_controller_{type,name}` name it."""

    type: str
    name: str


class Owner(msgspec.Struct, frozen=True, gc=False):
    """The direct owner of a pod, as its controller `ownerReference` has it: a ReplicaSet, a Job, a custom kind."""

    kind: str
    name: str


class Container(msgspec.Struct, frozen=True, omit_defaults=True):
    """One container of a pod: ordinary, init, sidecar or ephemeral.

    `image` is the specification's text; `image_id` and `id` are the runtime's (`containerd://4f2…`), "" until it has
    started. `restart` is the run that `id` belongs to, counted as in `Stream.restart` (-1: not known), and
    `previous_id` is the run before it. `env` holds the variables of `KEPT_ENV` that the specification gives as plain
    values.
    """

    image: str = ""
    image_id: str = ""
    id: str = ""
    previous_id: str = ""
    restart: int = -1
    env: dict[str, str] = {}


class Port(msgspec.Struct, frozen=True, gc=False):
    """A port that a container declares."""

    number: int
    name: str = ""


class Inside(msgspec.Struct, frozen=True):
    """What of a container an annotation may refer to: its ports, lowest first, and those variables that annotations
    name, with their plain values (None: the specification takes it from elsewhere, such as a Secret).
    """

    name: str
    ports: tuple[Port, ...] = ()
    env: dict[str, str | None] = {}


class Endpoint(msgspec.Struct, frozen=True):
    """Where a pod that asks for checks is, and whether it serves. `ip` is "" until it has one; `ready` as its condition
    says; `over`: it is being deleted, or has ended. `containers` are in the order of the specification.
    `host_network`: its address is the node's, where others listen too.
    """

    ip: str = ""
    ready: bool = False
    over: bool = False
    containers: tuple[Inside, ...] = ()
    host_network: bool = False


class Pod(msgspec.Struct, frozen=True, omit_defaults=True):
    """One pod of this node. `uid` is the uid its log directory carries (see `Stream.uid`).

    The fields from `qos` on are its details: read only where something needs them (`outrider.kube.pods.from_config`),
    at their defaults if they are not known. `qos`, `priority_class`, `runtime_class` and `phase` are as Kubernetes
    spells them; `claims` are the PersistentVolumeClaims that its volumes use; `containers` is by container name.
    `endpoint` is of pods that ask for checks by annotation, and of now alone: it is not remembered over a restart,
    since the address may be another pod's by then.
    """

    uid: str
    name: str
    namespace: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    controller: Controller | None = None
    owner: Owner | None = None
    qos: str = ""
    priority_class: str = ""
    runtime_class: str = ""
    phase: str = ""
    claims: tuple[str, ...] = ()
    containers: dict[str, Container] = {}
    endpoint: Endpoint | None = None
