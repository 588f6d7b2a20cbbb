"""What a sidecar knows of the pod that it is part of."""

from pathlib import Path

from outrider.kube.own import LOOK, OwnPod
from outrider.model.clock import ManualClock

POD = {"POD_NAMESPACE": "shop", "POD_NAME": "web-1", "POD_UID": "uid-1"}


def test_labels_are_known_before_anybody_asks(tmp_path: Path) -> None:
    """Several exporters ask at once for a new stream's route: none may find that nothing is known yet."""
    labels = tmp_path / "labels"
    labels.write_text('app="web"\n')
    clock = ManualClock()
    own = OwnPod(clock, {**POD, "OUTRIDER_POD_INFO": str(tmp_path)})
    labels.write_text('app="changed"\n')
    pod = own.get("uid-1")
    assert pod is not None and pod.labels == {"app": "web"}
    clock.advance(LOOK)
    pod = own.get("uid-1")
    assert pod is not None and pod.labels == {"app": "changed"}
