"""The paths of Cloud Logging's API."""

from typing import Any

from outrider.intake import body
from outrider.intake.api import Api
from outrider.intake.exchange import Answer, Find, Request, Route, as_json
from outrider.intake.requests import parse_list, parse_write


def routes(api: Api) -> Find:
    """What answers a path of Cloud Logging."""
    fixed: dict[tuple[str, str], Route] = {
        ("POST", "/v2/entries:write"): lambda request: _write(api, request),
        ("POST", "/v2/entries:list"): lambda request: _list(api, request),
    }

    def find(method: str, path: str) -> Route | None:
        route = fixed.get((method, path.replace("%3A", ":")))
        if route is not None:
            return route
        resource = path.removeprefix("/v2/")
        if resource == path:
            return None
        if method == "GET" and resource.endswith("/logs"):
            return lambda _: as_json({"logNames": api.list_logs(resource.removesuffix("/logs"))})
        if method == "DELETE" and "/logs/" in resource:
            return lambda _: _delete(api, resource)
        return None

    return find


def plain(request: Request, data: bytes) -> bytes:
    """The body of a request to Google without its content encoding."""
    return body.decode(data, request.header("Content-Encoding").lower())


def _write(api: Api, request: Request) -> Answer:
    """`entries.write`, with the faults in force."""

    def take(data: bytes) -> Answer:
        api.write(parse_write(body.parse(data)))
        return as_json({})

    fault = api.draw()
    return request.write(
        fault, api.answer(fault) if fault else None, lambda data: plain(request, data), take, api.store.count_request
    )


def _list(api: Api, request: Request) -> Answer:
    """`entries.list`."""
    page = api.list_entries(parse_list(body.parse(plain(request, request.data))))
    answer: dict[str, Any] = {"entries": page.entries} if page.entries else {}
    if page.next_page_token:
        answer["nextPageToken"] = page.next_page_token
    return as_json(answer)


def _delete(api: Api, log_name: str) -> Answer:
    """`logs.delete`."""
    api.delete_log(log_name)
    return as_json({})
