"""Where this program runs: the four names that a Cloud Logging resource asks for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cluster:
    """Identity of the cluster and node, as the `k8s_container` monitored resource and
    `compute.googleapis.com/resource_name` carry them."""

    project: str
    name: str
    location: str
    node: str
