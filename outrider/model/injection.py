"""The names by which a pod asks for a sidecar, and by which one is known.

The policy of `outrider.wiring.policy` selects pods by the label, since annotations cannot be selected by; the
annotations say what the sidecar of this pod is for. A namespace takes part by having the ConfigMap.
"""

LABEL = "outrider.io/inject"
"""Label of a pod, with the value `true`."""
CONFIG = "outrider.io/sidecar-config"
"""Which key of the ConfigMap is the configuration; without it `outrider.yaml`."""
CONTAINER = "outrider.io/sidecar-container"
"""The container that is served; without it the pod's first."""
LOGS = "outrider.io/sidecar-logs"
"""The directory that this container writes its log files into; it becomes a volume that the sidecar reads."""
ANNOTATIONS = (CONFIG, CONTAINER, LOGS)
SIDECAR = "outrider"
"""The container's name. A pod that has one of this name is left alone."""
PARAMETERS = "outrider-sidecar"
"""The ConfigMap with image, resources and configurations, and the Secret with keys and passwords, by namespace."""
