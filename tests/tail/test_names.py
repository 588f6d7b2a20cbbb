"""Kubelet's names, and all the others."""

import pytest

from outrider.tail.names import belongs, is_container, pod_directory, restart_of


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("default_web-5d9c_0b6c7a1e-1111-2222", ("default", "web-5d9c", "0b6c7a1e-1111-2222")),
        ("kube-system_etcd-node.local_5f4dcc3b5aa7", ("kube-system", "etcd-node.local", "5f4dcc3b5aa7")),
        ("a_b_c", ("a", "b", "c")),
        ("a_b", None),
        ("a_b_c_d", None),
        ("_b_c", None),
        ("a__c", None),
        ("a_b_", None),
        ("", None),
        ("lost+found", None),
        ("a_b_c\n", None),
        ("a b_c_d", None),
        ("ä_b_c", None),
        ("a_b_\udcff", None),
        ("a_b_c\x00", None),
    ],
)  # fmt: skip
def test_pod_directories(name: str, parts: tuple[str, str, str] | None) -> None:
    assert pod_directory(name) == parts


@pytest.mark.parametrize(("name", "is_one"), [("app", True), ("istio-proxy", True), ("", False), ("a_b", False),
                                              ("\udcff", False), ("a\n", False), ("ünder", False)])  # fmt: skip
def test_containers(name: str, is_one: bool) -> None:
    assert is_container(name) == is_one


@pytest.mark.parametrize(
    ("name", "restart"),
    [
        ("0.log", 0),
        ("17.log", 17),
        ("0.log.20260516-091906", 0),
        ("3.log.20260516-091906.gz", 3),
        ("0.log.1", 0),
        ("0.log-20260516.gz", 0),
        ("0.log.20260516-091906.tmp", None),
        ("0.log.20260516-091906.gz.tmp", None),
        ("0.logs", None),
        ("0.log~", None),
        ("x0.log", None),
        (".log", None),
        ("app.log", None),
        ("00.log", None),
        ("01.log.1", None),
        ("-1.log", None),
        ("1234567890.log", None),
        ("٣.log", None),
        ("0.log\n", None),
    ],
)
def test_restarts(name: str, restart: int | None) -> None:
    assert restart_of(name) == restart


@pytest.mark.parametrize(
    ("name", "log", "does"),
    [
        ("0.log", "0.log", True),
        ("0.log.1", "0.log", True),
        ("0.log.1.gz", "0.log", True),
        ("10.log", "0.log", False),
        ("0.log", "10.log", False),
        ("0.log.tmp", "0.log", False),
        ("abc-json.log", "abc-json.log", True),
        ("abc-json.log.1", "abc-json.log", True),
        ("abc-json.logger", "abc-json.log", False),
    ],
)
def test_rotations_belong_to_their_log(name: str, log: str, does: bool) -> None:
    assert belongs(name, log) == does
