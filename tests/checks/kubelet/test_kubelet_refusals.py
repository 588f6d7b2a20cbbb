"""What a kubelet that refuses, hangs or makes no sense costs, and what is said of it."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from outrider.checks.check import AnswerError, CheckError, DeniedError, SilentError
from outrider.config.secrets import Secret
from tests.checks.kubelet.asking import ask_at, ask_once, datadog, google
from tests.checks.product import Asked
from tests.support.kubelet_answers import CADVISOR, PODS, RESOURCE, SUMMARY, WHEN, recorded, seconds
from tests.support.servers.recorded import server

NOW = seconds(WHEN["1.36"])
OF = "e2e-statefulset-0/compute-pi-digits"
REFUSALS = [
    (PODS, 401, "it does not know who asks: see the token"),
    (PODS, 403, "`get` on nodes/pods, or before Kubernetes 1.33 on nodes/proxy"),
    (SUMMARY, 401, "it does not know who asks: see the token"),
    (SUMMARY, 403, "`get` on nodes/stats"),
    (CADVISOR, 401, "it does not know who asks: see the token"),
    (CADVISOR, 403, "`get` on nodes/metrics"),
]


def words_of(asked: Asked, kind: type[CheckError]) -> str:
    assert isinstance(asked.trouble, kind), asked.trouble
    assert asked.can_connect.message == str(asked.trouble)
    return str(asked.trouble)


def keys(asked: Asked) -> set[str]:
    return {point.metric.key for point in asked.report.points}


@pytest.mark.parametrize(("path", "status", "words"), REFUSALS)
def test_the_right_that_is_missing_is_named(path: str, status: int, words: str) -> None:
    asked = ask_once({**recorded("1.36"), path: status}, NOW, cadvisor=True)
    said = words_of(asked, DeniedError)
    assert f"{path} answers with the status {status}" in said
    assert words in said


def test_without_the_list_there_is_nothing() -> None:
    assert not ask_once({**recorded("1.36"), PODS: 403}, NOW).report.points


@pytest.mark.parametrize("summary", [403, 500, "[]"])
def test_without_the_summary_there_are_cpu_and_memory(summary: Any) -> None:
    asked = ask_once({**recorded("1.36"), SUMMARY: summary}, NOW)
    assert datadog(asked, of=OF) == {
        "kubernetes.cpu.usage.total": 2101846000.0,
        "kubernetes.memory.working_set": 10412032,
        "kubernetes.memory.swap": 0,
        "kubernetes.memory.requests": 15 << 20,
        "kubernetes.memory.limits": 30 << 20,
        "kubernetes.cpu.requests": 0.04,
        "kubernetes.cpu.limits": 0.08,
        "kubernetes.containers.restarts": 0,
        "kubernetes.containers.running": 1,
    }
    assert google(asked) == {
        "node/cpu/core_usage_time": 54821901000.0,
        "node/memory/used_bytes memory_type:non-evictable": 1082572800,
    }


def test_of_two_refusals_the_first_is_said() -> None:
    asked = ask_once({**recorded("1.36"), SUMMARY: 403, RESOURCE: 403}, NOW)
    assert "nodes/stats" in words_of(asked, DeniedError)
    assert keys(asked) == keys(ask_once({PODS: recorded("1.36")[PODS], SUMMARY: 500, RESOURCE: 500}, NOW)), (
        "what the list tells"
    )


@pytest.mark.parametrize("cadvisor", [403, 500])
def test_without_cadvisor_there_is_all_else(cadvisor: int) -> None:
    asked = ask_once({**recorded("1.36"), CADVISOR: cadvisor}, NOW, cadvisor=True)
    assert keys(asked) == keys(ask_once(recorded("1.36"), NOW))


STRANGE: dict[str, tuple[dict[str, Any], str]] = {
    "a web page": ({PODS: "<html>"}, "no list of pods"),
    "another list": ({PODS: '{"kind": "Status"}'}, "no list of pods"),
    "no summary": ({SUMMARY: "[]"}, "no summary"),
    "not there": ({SUMMARY: 404}, "status 404: is url the one of a kubelet?"),
    "redirected": ({PODS: 302}, "status 302"),
    "failing": ({SUMMARY: 503}, "status 503"),
    "no metrics": ({CADVISOR: "{]"}, "does not answer with metrics"),
}


@pytest.mark.parametrize(("pages", "words"), STRANGE.values(), ids=STRANGE.keys())
def test_what_makes_no_sense_is_called_so(pages: dict[str, Any], words: str) -> None:
    assert words in words_of(ask_once({**recorded("1.36"), **pages}, NOW, cadvisor=True), AnswerError)


def test_a_node_without_pods() -> None:
    asked = ask_once({PODS: '{"items": null}', SUMMARY: '{"node": {}, "pods": null}'})
    assert (asked.trouble, asked.report.points) == (None, ())


def test_a_page_that_hangs_costs_the_timeout_and_nothing_that_was_read() -> None:
    with server(dict(recorded("1.36"))) as found:
        over = found.answers[CADVISOR] = threading.Event()
        began = time.monotonic()
        asked = ask_at(found, NOW, cadvisor=True, timeout=0.5)
        over.set()
    assert time.monotonic() - began < 5.0
    assert CADVISOR in words_of(asked, SilentError)
    assert keys(asked) == keys(ask_once(recorded("1.36"), NOW))


def test_the_token_is_read_again_for_every_run(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    secret = Secret.from_file(str(token))
    with server(dict(recorded("1.36"))) as found:
        ask_at(found, NOW, token=secret)
        (tmp_path / "new").write_text("second, longer\n")
        (tmp_path / "new").rename(token)
        ask_at(found, NOW, token=secret)
        sent = [one.headers.get("Authorization") for one in found.requests]
    assert sent == ["Bearer first"] * 2 + ["Bearer second, longer"] * 2


def test_a_token_that_is_not_there_is_said(tmp_path: Path) -> None:
    asked = ask_once(recorded("1.36"), NOW, token=Secret.from_file(str(tmp_path / "none")))
    assert "none cannot be read" in words_of(asked, DeniedError)


def test_the_way_through_the_api_server() -> None:
    prefix = "/api/v1/nodes/node-1/proxy"
    with server({prefix + path: page for path, page in recorded("1.36").items()}) as found:
        asked = ask_at(found, NOW, url=f"{found.url}{prefix}/", cadvisor=True)
        assert asked.trouble is None, asked.trouble
        assert [one.path for one in found.requests] == [prefix + path for path in (PODS, SUMMARY, CADVISOR)]
