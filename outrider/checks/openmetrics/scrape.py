"""One scrape: the samples that an endpoint answers with, and what its other answers mean."""

from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPResponse

from outrider.checks.check import AnswerError, CheckError, DeniedError
from outrider.checks.http import HttpServer, lines
from outrider.checks.openmetrics.exposition import OPENMETRICS, TEXT, Family, FormatError, Sample, samples

ACCEPT = f"{TEXT}, {OPENMETRICS};version=1.0.0;q=0.5, */*;q=0.1"
"""The text format first, which is what the Datadog Agent asks for: some libraries call a metric differently in
OpenMetrics."""
MAX_BODY = 256 << 20
"""Bytes of an answer. A hundred thousand series take 15 MB."""


def scrape(
    server: HttpServer, deadline: float, headers: Mapping[str, str], wanted: Callable[[Family], bool]
) -> Iterator[Sample]:
    """The samples of the families that are `wanted`, as they come, until `deadline` (monotonic seconds). Raises
    CheckError.
    """
    with server.get(deadline, {"Accept": ACCEPT, **headers}) as response:
        _refuse(response, server.url)
        openmetrics = (response.headers.get("Content-Type") or "").strip().startswith(OPENMETRICS)
        try:
            yield from samples(lines(response, MAX_BODY), openmetrics, wanted)
        except FormatError as e:
            raise AnswerError(f"{server.url} does not answer with metrics: {e}") from None


def _refuse(response: HTTPResponse, url: str) -> None:
    """Raises CheckError for every status but 200."""
    status = response.status
    if status == 200:
        return
    if status == 401:
        raise DeniedError(f"{url} does not know who asks (HTTP 401)", "set `username` and `password`, or `token`")
    if status == 403:
        raise DeniedError(f"{url} refuses this user (HTTP 403)", "give it the right to read metrics")
    if status == 404:
        raise AnswerError(f"there is nothing at {url} (HTTP 404)", "is it the path of the metrics?")
    if 300 <= status < 400:
        raise AnswerError(f"{url} points to {response.headers.get('Location')} (HTTP {status})", "set that as `url`")
    raise CheckError(f"{url} answers with HTTP {status} {response.reason}")
