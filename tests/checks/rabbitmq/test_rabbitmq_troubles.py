"""What goes wrong with a RabbitMQ, provoked: each has its words and its way out, and costs no more than it must."""

import itertools
from typing import Any

import pytest

from outrider.checks.check import AnswerError, CheckError, DeniedError, Reading, RefusedError, SilentError
from outrider.checks.rabbitmq.check import RabbitmqCheck
from outrider.checks.rabbitmq.settings import RabbitmqSettings
from outrider.config.secrets import Secret
from outrider.model.points import Report, Status
from tests.checks.rabbitmq.asking import ask, ask_once, points, settings_of, tags
from tests.support.pages import Page, Pages, pages
from tests.support.raw_server import raw_server, silent
from tests.support.server import free_port
from tests.support.servers.rabbitmq import Rabbitmq
from tests.support.wait import until

_users = itertools.count()


def _user(broker: Rabbitmq, tags: str) -> dict[str, Any]:
    """Settings with a new user, who has these tags."""
    name = f"user{next(_users)}"
    broker.user(name, tags)
    return {"username": name, "password": Secret("secret")}


def _status(report: Report) -> tuple[Status, str]:
    [status] = [check for check in report.service_checks if check.name == "rabbitmq.status"]
    return status.status, status.message


def test_a_wrong_password(broker: Rabbitmq) -> None:
    report, _, trouble = ask_once(broker, password=Secret("wrong"))
    assert isinstance(trouble, DeniedError)
    assert "refuses the user guest (Login failed)" in str(trouble)
    assert _status(report) == (Status.CRITICAL, str(trouble))
    assert points(report, "rabbitmq.identity_info"), "the plugin asks for no password"


def test_a_user_without_any_tag(broker: Rabbitmq) -> None:
    settings = _user(broker, "")
    _, _, trouble = ask_once(broker, **settings)
    assert isinstance(trouble, DeniedError)
    assert str(trouble).endswith(f"rabbitmqctl set_user_tags {settings['username']} monitoring")


def _sees(check: RabbitmqCheck) -> tuple[set[str], Report, Reading, CheckError | None]:
    """Virtual hosts whose queues the user of the check sees, and the run that tells."""
    report, reading, trouble = ask(check)
    of_queues = [tags(p) for p in points(report, "rabbitmq.queue.memory")]
    return {told["rabbitmq_vhost"] for told in of_queues}, report, reading, trouble


def _vhost(broker: Rabbitmq, name: str) -> None:
    """A virtual host with a queue whose numbers have come to the API."""
    broker.vhost(name)
    broker.queue(name, "letters")
    until(lambda: "memory" in broker.api("GET", f"queues/{name}/letters"), 20)


def test_a_user_without_the_tag_monitoring_sees_what_it_may(broker: Rabbitmq) -> None:
    _vhost(broker, "mine")
    settings = _user(broker, "management")
    broker.permit(settings["username"], "mine")
    check = RabbitmqCheck(settings_of(broker, **settings))
    vhosts, report, reading, trouble = _sees(check)
    assert isinstance(trouble, DeniedError)
    assert str(trouble).endswith(f"rabbitmqctl set_user_tags {settings['username']} monitoring")
    assert _status(report) == (Status.CRITICAL, str(trouble))
    assert vhosts == {"mine"}
    assert reading.missing["node.mem_used"] == str(trouble)

    broker.user(settings["username"], "monitoring")
    _, report, _, trouble = _sees(check)
    assert trouble is None
    assert points(report, "rabbitmq.node.mem_used")
    check.close()


def test_a_user_without_rights_sees_no_empty_broker(broker: Rabbitmq) -> None:
    _vhost(broker, "theirs")
    settings = _user(broker, "monitoring")
    check = RabbitmqCheck(settings_of(broker, vhosts=["^theirs$"], **settings))
    vhosts, report, _, trouble = _sees(check)
    assert vhosts == set()
    assert isinstance(trouble, DeniedError)
    assert f"rabbitmqctl set_permissions -p theirs {settings['username']} " in str(trouble)
    [aliveness] = [c for c in report.service_checks if c.name == "rabbitmq.aliveness"]
    assert (aliveness.status, aliveness.tags) == (Status.CRITICAL, (("vhost", "theirs"),))

    configure, write, read = (part.strip("'") for part in str(trouble).split()[-3:])
    broker.permit(settings["username"], "theirs", configure, write, read)
    vhosts, report, _, trouble = _sees(check)
    assert trouble is None
    assert [c.status for c in report.service_checks if c.name == "rabbitmq.aliveness"] == [Status.OK]
    assert vhosts == {"theirs"}
    check.close()


def test_without_the_management_plugin_the_other_one_is_read(broker: Rabbitmq) -> None:
    report, _, trouble = ask_once(broker, url=f"http://127.0.0.1:{free_port()}")
    assert isinstance(trouble, RefusedError)
    assert "rabbitmq-plugins enable rabbitmq_management" in str(trouble)
    assert _status(report)[0] is Status.CRITICAL
    assert points(report, "rabbitmq.identity_info")


def test_only_the_plugin(broker: Rabbitmq) -> None:
    report, _, trouble = ask_once(broker, url=None)
    assert trouble is None
    assert {check.name for check in report.service_checks} == {"rabbitmq.openmetrics.health", "rabbitmq.status"}
    assert not points(report, "rabbitmq.node.running")


def test_a_configured_plugin_that_is_not_there_is_a_trouble(broker: Rabbitmq) -> None:
    report, _, trouble = ask_once(broker, prometheus_url=f"http://127.0.0.1:{free_port()}/metrics")
    assert isinstance(trouble, RefusedError)
    [health] = [check for check in report.service_checks if check.name == "rabbitmq.openmetrics.health"]
    assert (health.status, health.message) == (Status.CRITICAL, str(trouble))
    assert points(report, "rabbitmq.node.running")


def _api(api: Pages, version: str) -> RabbitmqCheck:
    """A check whose broker has one virtual host and nothing else."""
    nothing = Page('{"page_count":0,"items":[]}')
    api.at = {
        "/api/overview": Page(f'{{"rabbitmq_version":"{version}"}}'),
        "/api/vhosts": Page('[{"name":"a"}]'),
        "/api/nodes": Page("[]"),
        "/api/connections": Page("[]"),
        "/api/queues": nothing,
        "/api/exchanges": nothing,
    }
    return RabbitmqCheck(RabbitmqSettings(url=api.url, prometheus_url="none"))


def test_aliveness_is_critical_when_the_broker_goes_away() -> None:
    with pages() as api:
        check = _api(api, "3.10.8")
        assert ask(check)[2] is None
    report, _, trouble = ask(check)
    assert isinstance(trouble, RefusedError)
    assert [(c.name, c.status, c.tags) for c in report.service_checks] == [
        ("rabbitmq.aliveness", Status.CRITICAL, (("vhost", "a"),)),
        ("rabbitmq.status", Status.CRITICAL, ()),
    ]


@pytest.mark.parametrize("version", ["3.6.16", "3.13.7", "4.1.2"])
def test_a_version_without_a_test_of_aliveness(version: str) -> None:
    with pages() as api:
        report, reading, trouble = ask(_api(api, version))
    assert trouble is None
    assert [check.name for check in report.service_checks] == ["rabbitmq.status"]
    assert "no test of aliveness" in reading.missing["rabbitmq.aliveness"]


@pytest.mark.parametrize("version", ["3.5.8", "n/a"])
def test_a_version_that_is_not_known(version: str) -> None:
    with pages() as api:
        _, _, trouble = ask(_api(api, version))
    assert isinstance(trouble, AnswerError)
    assert f"RabbitMQ {version}" in str(trouble)


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (Page("<html>", content_type="text/html"), "does not answer in JSON"),
        (Page("{}"), "tells no version"),
        (Page("[]"), "tells no version"),
        (Page("", 404), "is this the management API of a RabbitMQ?"),
        (Page("oops", 500), "HTTP 500"),
    ],
)
def test_something_else_than_rabbitmq(page: Page, words: str) -> None:
    with pages() as api:
        api.at["/api/overview"] = page
        _, _, trouble = ask(RabbitmqCheck(RabbitmqSettings(url=api.url, prometheus_url="none")))
    assert isinstance(trouble, AnswerError)
    assert words in str(trouble)


def test_a_broker_that_is_silent_costs_the_timeout() -> None:
    with raw_server(silent) as address:
        _, _, trouble = ask(RabbitmqCheck(RabbitmqSettings(url=f"http://{address}", timeout=0.3)))
    assert isinstance(trouble, SilentError)


def test_an_api_behind_a_path() -> None:
    with pages() as api:
        api.at["/rabbit/api/overview"] = Page('{"rabbitmq_version":"1.0"}')
        for url in (f"{api.url}/rabbit", f"{api.url}/rabbit/", f"{api.url}/rabbit/api", f"{api.url}/rabbit/api/"):
            _, _, trouble = ask(RabbitmqCheck(RabbitmqSettings(url=url, prometheus_url="none")))
            assert "RabbitMQ 1.0" in str(trouble), url
