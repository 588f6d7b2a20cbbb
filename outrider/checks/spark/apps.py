"""Which applications there are, and where each is to be asked.

    driver        `url` itself
    standalone    GET /json/, and of each application GET /app/?appId=...         the link to its driver on that page
    yarn          GET /ws/v1/cluster/apps?states=RUNNING&applicationTypes=SPARK   `trackingUrl`, YARN's proxy to it

A standalone master tells where the drivers are only on pages for people. What is found there or in YARN's answer is
asked for its own list of applications, which has their names as Spark knows them, and since when they run.

Sources: spark.apache.org/docs/latest/monitoring.html (REST API); hadoop.apache.org, ResourceManagerRest.html (Cluster
Applications API); the pages and the JSON of the master of 4.3.0.
"""

import html
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from outrider.checks.check import AnswerError, CheckError
from outrider.checks.rest import NotFoundError, Rest, bare, linked, number, objects
from outrider.checks.spark.settings import Mode
from outrider.model.points import Attributes

_LINK = "Application Detail UI"
"""What a master's page has as the text of the link to a driver."""
_HREF = re.compile(r'\shref="([^"]+)"[^<>]*>\s*$', re.IGNORECASE)
_LONGEST = 2000
"""Characters of such a link."""
_STARTING = "spark is starting up"
"""What a driver says of itself, with the status 503, before its interface is ready."""


@dataclass(frozen=True)
class App:
    """One application. `url` is where its driver is, without a slash at the end; `start` is when it began, nanoseconds
    since 1970.
    """

    id: str
    name: str
    url: str
    start: int | None

    @property
    def tags(self) -> Attributes:
        """What tells its sums from those of others, at Datadog."""
        return (("app_name", self.name),)

    @property
    def labels(self) -> Attributes:
        """What tells its things from those of others, at Google."""
        return (("app_id", self.id), ("app_name", self.name))


def drivers(rest: Rest, url: str, mode: Mode) -> list[str]:
    """Where drivers are to be asked. Raises CheckError."""
    if mode == "driver":
        return [url]
    return _of_master(rest, url) if mode == "standalone" else _of_yarn(rest, url)


def applications(rest: Rest, url: str) -> list[App]:
    """The applications of the driver at `url`. Raises CheckError."""
    try:
        said = rest.json(f"{url}/api/v1/applications")
    except NotFoundError as e:
        raise AnswerError(f"{bare(url)} is not the interface of a Spark driver ({e.words})") from None
    except AnswerError as e:
        if _STARTING in e.words.lower():
            raise AnswerError(f"the driver at {bare(url)} is still starting") from None
        raise
    if not isinstance(said, list) or len(objects(said)) != len(said):
        raise AnswerError(f"{bare(url)} is not the interface of a Spark driver: it has no list of applications")
    return [_application(one, url) for one in said]


def _application(said: dict[str, Any], url: str) -> App:
    name = str(said.get("id", ""))
    attempts = objects(said, "attempts")
    began = number(attempts[0], "startTimeEpoch") if attempts else None
    start = int(began) * 10**6 if began and began > 0 else None
    return App(name, str(said.get("name") or name), url, start)


def _of_master(rest: Rest, url: str) -> list[str]:
    said = rest.json(f"{url}/json/")
    if not isinstance(said, dict) or "activeapps" not in said:
        raise AnswerError(f"{bare(url)} is not a standalone master of Spark: it tells of no `activeapps`")
    found = []
    for app in objects(said, "activeapps"):
        try:
            page = rest.ask(f"{url}/app/?appId={quote(str(app.get('id', '')), safe='')}").body
        except AnswerError:
            continue  # it has ended since the list was made
        links = map(_tag, page.decode("utf-8", "replace").split(_LINK)[:-1])
        found += [linked(url, html.unescape(link.group(1))) for link in links if link is not None]
    return found  # with spark.ui.enabled=false there is no link


def _tag(before: str) -> re.Match[str] | None:
    """The tag that ends there, if it is a link's. To look for such a tag all over a long page could take hours."""
    return _HREF.search(before[before.rfind("<", -_LONGEST) :])


def _of_yarn(rest: Rest, url: str) -> list[str]:
    said = rest.json(f"{url}/ws/v1/cluster/apps?states=RUNNING&applicationTypes=SPARK")
    if not isinstance(said, dict) or "apps" not in said:
        raise AnswerError(f"{bare(url)} is not the ResourceManager of a YARN: it tells of no `apps`")
    links = [app.get("trackingUrl") for app in objects(said, "apps", "app")]
    return [linked(url, link) for link in links if link]


def reachable(rest: Rest, url: str) -> tuple[list[App], CheckError | None]:
    """The applications of a driver, or why it cannot be asked."""
    try:
        return applications(rest, url), None
    except CheckError as e:
        return [], e
