"""How the check `spark` finds applications, and what it says of those that cannot be read."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from outrider.checks.check import AnswerError, CheckError, DeniedError
from outrider.checks.spark.check import SparkCheck
from outrider.checks.spark.settings import SparkSettings
from outrider.config.secrets import Secret
from outrider.model.points import ServiceCheck, Status
from tests.checks.product import Asked, ask
from tests.checks.products.spark import PRODUCT
from tests.checks.spark.asking import APP, MASTER, PATH, ask_once, datadog, driver, of
from tests.support.raw_server import answer, raw_server, silent
from tests.support.server import free_port
from tests.support.servers.recorded import Recorded, server

APPLICATION = "spark.application_master.can_connect"
YARN_APPS = "/ws/v1/cluster/apps"


@contextmanager
def _master(link: str) -> Iterator[Recorded]:
    """A standalone master whose page of the application leads to `link`."""
    with server(json.loads(json.dumps(MASTER).replace("DRIVER", link))) as master:
        yield master


def _yarn(*links: str) -> dict[str, Any]:
    """What YARN says of applications with these `trackingUrl`s, in the form of ResourceManagerRest.html."""
    apps = [{"id": f"application_1_{i}", "name": "x", "trackingUrl": link} for i, link in enumerate(links)]
    return {YARN_APPS: {"apps": {"app": apps}}}


def _named(name: str, app: str) -> dict[str, Any]:
    """A driver of another application."""
    text = json.dumps(driver()).replace(APP, app).replace('"shop"', json.dumps(name))
    return dict(json.loads(text))


def _checks(asked: Asked, name: str) -> dict[str, ServiceCheck]:
    return {dict(check.tags)["url"]: check for check in asked.report.service_checks if check.name == name}


def test_a_standalone_master_leads_to_its_drivers() -> None:
    with server(driver()) as found, _master(found.url) as master:
        asked = ask_once(master.url, mode="standalone")
        assert asked.trouble is None
        assert asked.can_connect.name == "spark.standalone_master.can_connect"
        assert dict(asked.can_connect.tags)["url"] == master.url
        assert of(datadog(asked), "spark.executor.count") == {"": 3}
        assert _checks(asked, APPLICATION)[found.url].status is Status.OK


def test_a_master_that_is_a_proxy_for_its_drivers() -> None:
    """With spark.ui.reverseProxy the link is a path at the master."""
    with _master(f"/proxy/{APP}") as master:
        master.answers.update({f"/proxy/{APP}{path}": said for path, said in driver().items()})
        assert of(datadog(ask_once(master.url, mode="standalone")), "spark.executor.count") == {"": 3}


@pytest.mark.parametrize("page", ["<html>no link</html>", 404])
def test_an_application_without_an_interface_or_that_has_ended_is_no_trouble(page: Any) -> None:
    with _master("") as master:
        master.answers[f"/app/?appId={APP}"] = page
        asked = ask_once(master.url, mode="standalone")
    assert asked.trouble is None
    assert asked.report.points == ()


def test_yarn_leads_to_its_drivers_through_its_proxy() -> None:
    with server({}) as yarn:
        yarn.answers.update(_yarn(f"{yarn.url}/proxy/application_1_0/"))
        yarn.answers.update({f"/proxy/application_1_0{path}": said for path, said in driver().items()})
        asked = ask_once(yarn.url, mode="yarn")
        assert f"{YARN_APPS}?states=RUNNING&applicationTypes=SPARK" in [r.path for r in yarn.requests]
    assert asked.trouble is None
    assert asked.can_connect.name == "spark.resource_manager.can_connect"
    assert of(datadog(asked), "spark.executor.count") == {"": 3}


@pytest.mark.parametrize("apps", [None, {}, {"app": []}])
def test_a_yarn_without_applications_is_well(apps: Any) -> None:
    with server({YARN_APPS: {"apps": apps}}) as yarn:
        asked = ask_once(yarn.url, mode="yarn")
    assert (asked.trouble, asked.report.points) == (None, ())


def test_one_driver_that_is_away_is_told_and_costs_the_others_nothing() -> None:
    away = f"http://127.0.0.1:{free_port()}"
    with server(driver()) as found, server(_yarn(away, found.url)) as yarn:
        asked = ask_once(yarn.url, mode="yarn")
        checks = _checks(asked, APPLICATION)
    assert asked.trouble is None
    assert (checks[found.url].status, checks[away].status) == (Status.OK, Status.CRITICAL)
    assert "nobody listens" in checks[away].message
    assert of(datadog(asked), "spark.executor.count") == {"": 3}


def test_a_driver_that_is_silent_leaves_the_others_their_time() -> None:
    with raw_server(silent) as mute, server(driver()) as found:
        with server(_yarn(f"http://{mute}", found.url)) as yarn:
            asked = ask_once(yarn.url, mode="yarn", timeout=4.0)
        checks = _checks(asked, APPLICATION)
    assert asked.trouble is None
    assert (checks[found.url].status, checks[f"http://{mute}"].status) == (Status.OK, Status.CRITICAL)
    assert "did not answer in time" in checks[f"http://{mute}"].message
    assert of(datadog(asked), "spark.executor.count") == {"": 3}


def test_a_name_that_is_like_the_link_leads_nowhere() -> None:
    with server(driver()) as found, _master(found.url) as master:
        page = master.answers[f"/app/?appId={APP}"]
        master.answers[f"/app/?appId={APP}"] = page.replace("<body>", "<body><b>Application Detail UI</b>", 1)
        asked = ask_once(master.url, mode="standalone")
    assert of(datadog(asked), "spark.executor.count") == {"": 3}


def test_applications_of_two_names_are_told_apart_and_those_of_one_added_up() -> None:
    with (
        server(driver()) as one,
        server(_named("other", "app-2")) as two,
        server(_named("shop", "app-3")) as three,
        server(_yarn(one.url, two.url, three.url)) as yarn,
    ):
        asked = ask_once(yarn.url, mode="yarn")
    counts = {dict(p.attributes)["app_name"]: p.value for p in asked.report.points if p.metric.key == "executor.count"}
    assert counts == {"shop": 6, "other": 3}


def test_an_application_that_ends_between_two_requests_is_no_trouble() -> None:
    answers = driver()
    del answers[f"{PATH}/jobs"]
    with server(answers) as found:
        asked = ask_once(found.url)
    assert (asked.trouble, of(datadog(asked), "spark.job.count")) == (None, {})


def test_a_driver_without_streams_and_without_gauges_is_well() -> None:
    answers = driver()
    del answers[f"{PATH}/streaming/statistics"], answers["/metrics/json/"]
    with server(answers) as found:
        asked = ask_once(found.url)
    assert asked.trouble is None
    assert not any("streaming" in name for name, _ in datadog(asked))


def test_what_was_read_before_the_trouble_is_reported_and_the_trouble_told() -> None:
    with server(driver(stages=500)) as found:
        asked = ask_once(found.url)
    assert isinstance(asked.trouble, AnswerError)
    assert f"{PATH}/stages answers with the status 500" in str(asked.trouble)
    assert asked.can_connect.status is Status.CRITICAL
    assert len(of(datadog(asked), "spark.job.count")) > 10


@pytest.mark.parametrize(
    ("mode", "answers", "kind", "words"),
    [
        ("driver", {"/api/v1/applications": 404}, AnswerError, "is not the interface of a Spark driver"),
        ("driver", {"/api/v1/applications": {"a": 1}}, AnswerError, "it has no list of applications"),
        ("driver", {"/api/v1/applications": "<html>hello"}, AnswerError, "does not answer in JSON .*hello"),
        ("driver", {"/api/v1/applications": 401}, DeniedError, "asks for a user and a password: set username"),
        ("driver", {"/api/v1/applications": 403}, DeniedError, "is not for somebody without a name"),
        ("standalone", {"/json/": {"a": 1}}, AnswerError, "is not a standalone master of Spark"),
        ("yarn", {YARN_APPS: {"a": 1}}, AnswerError, "is not the ResourceManager of a YARN"),
        ("yarn", {YARN_APPS: 404}, AnswerError, "status 404"),
    ],
)
def test_what_is_amiss_is_said(mode: str, answers: dict[str, Any], kind: type[CheckError], words: str) -> None:
    with server(answers) as found, pytest.raises(kind, match=words):
        raise ask_once(found.url, mode=mode).trouble or AssertionError("nothing is amiss")


def test_a_driver_that_is_starting_says_so() -> None:
    body = b"Spark is starting up. Please wait a while until it's ready."
    head = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: %d\r\n\r\n" % len(body)
    with raw_server(answer(head + body)) as address, pytest.raises(AnswerError, match="is still starting"):
        raise ask_once(f"http://{address}").trouble or AssertionError("nothing is amiss")


def test_the_password_goes_to_the_hosts_of_the_settings_alone() -> None:
    with server(driver()) as near, server(_named("far", "app-2")) as far:
        links = (near.url, f"http://localhost:{far.port}", "ftp://127.0.0.1/", "http://[", "nonsense")
        with server(_yarn(*links)) as yarn:
            asked = ask_once(yarn.url, mode="yarn", username="reader", password=Secret("pw"))
            assert all("Authorization" in r.headers for r in yarn.requests[:1])
        assert near.requests and all("Authorization" in r.headers for r in near.requests)
        assert far.requests and not any("Authorization" in r.headers for r in far.requests)
    assert asked.trouble is None
    assert _checks(asked, APPLICATION)["ftp://127.0.0.1"].message.endswith("is no URL that could be asked")


def test_a_driver_that_has_gone_is_let_go() -> None:
    with server(driver()) as found, server(_yarn(found.url)) as yarn:
        check = SparkCheck(SparkSettings(url=yarn.url, mode="yarn", timeout=20.0))
        assert ask(PRODUCT, check).report.points
        yarn.answers.update(_yarn())
        assert not ask(PRODUCT, check).report.points
        before = len(found.requests)
        yarn.answers.update(_yarn(found.url))
        assert ask(PRODUCT, check).report.points
        assert len(found.requests) > before
        check.close()
