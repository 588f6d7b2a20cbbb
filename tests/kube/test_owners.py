"""The table O1-O9 of the owner rule, and what it says of odd input."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.kube.owners import OwnerReference, controller_of, owner_of
from outrider.model.pod import Controller, Owner

JOBSET = {"jobset.sigs.k8s.io/jobset-name": "training-sample"}
HASH = {"pod-template-hash": "56ccbfc78f"}

# Source: GoogleCloudPlatform/k8s-stackdriver event-exporter/kubernetes/podlabels (rows O1 to O9), then the edges.
TABLE = [
    ("O1", [("DaemonSet", "foo-agent")], {}, ("DaemonSet", "foo-agent")),
    ("O2", [("StatefulSet", "foo")], {}, ("StatefulSet", "foo")),
    ("O3", [("ReplicaSet", "foo-56ccbfc78f")], HASH, ("Deployment", "foo")),
    ("O4", [("ReplicaSet", "foo")], HASH, None),
    ("O5", [("Job", "hello-world-32345678")], {}, ("CronJob", "hello-world")),
    ("O6", [("Job", "hello-world-12345678")], {}, ("Job", "hello-world-12345678")),
    ("O7", [("Job", "build-foo-123")], {}, ("Job", "build-foo-123")),
    ("O8", [("Job", "training-sample-workers-0")], JOBSET, ("JobSet", "training-sample")),
    ("O9", [("CustomerType", "foo")], {**HASH, **JOBSET}, None),
    ("no owner", [], HASH, None),
    ("static pod", [("Node", "node-1")], {}, None),
    ("last valid wins", [("DaemonSet", "a"), ("StatefulSet", "b")], {}, ("StatefulSet", "b")),
    ("an invalid last one does not count", [("DaemonSet", "a"), ("CustomerType", "b")], {}, ("DaemonSet", "a")),
    ("ReplicaSet without the hash label", [("ReplicaSet", "foo-56ccbfc78f")], {}, None),
    ("hash label empty", [("ReplicaSet", "foo-")], {"pod-template-hash": ""}, None),
    ("nothing but the hash", [("ReplicaSet", "-56ccbfc78f")], HASH, None),
    ("hash in the middle", [("ReplicaSet", "a-56ccbfc78f-b")], HASH, None),
    ("first minute", [("Job", "a-20000000")], {}, ("CronJob", "a")),
    ("last minute", [("Job", "a-59999999")], {}, ("CronJob", "a")),
    ("after the last minute", [("Job", "a-60000000")], {}, ("Job", "a-60000000")),
    ("nine digits", [("Job", "a-234567890")], {}, ("Job", "a-234567890")),
    ("other digits", [("Job", "a-2345678٣")], {}, ("Job", "a-2345678٣")),
    ("no name before the minutes", [("Job", "-32345678")], {}, ("Job", "-32345678")),
    ("a CronJob's Job beats the JobSet label", [("Job", "a-32345678")], JOBSET, ("CronJob", "a")),
    ("owner without a name", [("DaemonSet", "")], {}, None),
]


@pytest.mark.parametrize(("owners", "labels", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_owner_table(owners: list[tuple[str, str]], labels: dict[str, str], expected: tuple[str, str] | None) -> None:
    found = controller_of([OwnerReference(*owner) for owner in owners], labels)
    assert found == (Controller(*expected) if expected else None)


@given(name=st.text(min_size=1), hash_=st.text(min_size=1))
def test_a_deployment_gets_its_own_name_back(name: str, hash_: str) -> None:
    found = controller_of([OwnerReference("ReplicaSet", f"{name}-{hash_}")], {"pod-template-hash": hash_})
    assert found == Controller("Deployment", name)


@given(name=st.text(min_size=1), minutes=st.integers(20_000_000, 59_999_999))
def test_a_cron_job_gets_its_own_name_back(name: str, minutes: int) -> None:
    assert controller_of([OwnerReference("Job", f"{name}-{minutes}")], {}) == Controller("CronJob", name)


RS, CUSTOM = OwnerReference("ReplicaSet", "web-abc12", True), OwnerReference("Tenant", "acme", False)


@pytest.mark.parametrize(
    ("owners", "expected"),
    [
        pytest.param([], None, id="bare pod"),
        pytest.param([RS], Owner("ReplicaSet", "web-abc12"), id="as it stands"),
        pytest.param([CUSTOM, RS], Owner("ReplicaSet", "web-abc12"), id="the managing one"),
        pytest.param([CUSTOM], None, id="an owner that does not manage"),
        pytest.param([OwnerReference("Tenant", "acme")], None, id="nothing said"),
        pytest.param([OwnerReference("Tenant", "acme", "true")], None, id="no boolean"),
        pytest.param([OwnerReference("", "acme", True), OwnerReference("Tenant", "", True)], None, id="no names"),
    ],
)
def test_the_owner_is_the_managing_one(owners: list[OwnerReference], expected: Owner | None) -> None:
    assert owner_of(owners) == expected
