"""What the management API says of a broker, as the Agent's check reports it.

A user may lack the tag for a part of the API, or rights in virtual hosts. What can still be had is reported, and the
trouble told at the end. A virtual host in which the user has no rights looks as if it were empty; only the test of its
aliveness tells that.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from outrider.checks.budget import Values
from outrider.checks.check import AnswerError, CheckError, DeniedError, Reading, SilentError
from outrider.checks.rabbitmq.lists import ListOf, Named, Selection
from outrider.checks.rabbitmq.management import Management, NotFoundError, VhostDeniedError, quoted
from outrider.checks.rabbitmq.members import Members
from outrider.checks.rabbitmq.settings import RabbitmqSettings
from outrider.model.points import Status

ALIVENESS = "rabbitmq.aliveness"
OLDEST = (3, 6)
"""The first version whose API has pages."""
DIRECT = "direct"
"""The state of a connection inside the broker, which has none."""


class Broker:
    """Reads the broker whose management API is at `url`."""

    def __init__(self, url: str, settings: RabbitmqSettings) -> None:
        self._api = Management(url, settings)
        self._settings = settings
        self._selection = Selection(settings.vhosts)
        self._vhosts: list[str] = []
        """Those of the last run that went well."""
        self._lists: tuple[Members, ListOf, ListOf] | None = None

    def read(self, reading: Reading, deadline: float) -> None:
        """Raises CheckError; DeniedError after everything was read that may be read."""
        self._api.deadline = deadline
        try:
            denied = self._everything(reading)
        except CheckError as e:
            for vhost in self._vhosts:
                reading.service_check(ALIVENESS, Status.CRITICAL, str(e), vhost=vhost)
            raise
        denied = self._aliveness(reading) or denied
        if denied is not None:
            raise denied

    def close(self) -> None:
        self._api.close()

    def _everything(self, reading: Reading) -> DeniedError | None:
        members, queues, exchanges = self._made(reading)
        overview = self._overview(members)
        vhosts = [v["name"] for v in self._api.get("vhosts", "name")]
        self._vhosts = [name for name in vhosts if self._selection.family(name) is not None]
        cluster = str(overview.get("cluster_name") or "")
        for key, value in members.values("overview", overview).items():
            reading.add(key, value, None, **({"cluster_name": cluster} if cluster else {}))
        parts: dict[str, Callable[[], None]] = {
            "exchange": lambda: self._exchanges(reading, exchanges, members),
            "queue": lambda: self._queues(reading, queues, members),
            "node": lambda: self._nodes(reading, members),
            "connection": lambda: self._connections(reading),
        }
        denied: DeniedError | None = None
        for thing, part in parts.items():
            try:
                part()
            except DeniedError as e:
                denied = e
                reading.lacks_all(f"{thing}.", str(e))
        return denied

    def _made(self, reading: Reading) -> tuple[Members, ListOf, ListOf]:
        if self._lists is None:
            members, settings = Members(reading.declared), self._settings
            self._lists = (
                members,
                ListOf("queue", "max_queues", settings.max_queues, settings.queues, members),
                ListOf("exchange", "max_exchanges", settings.max_exchanges, settings.exchanges, members),
            )
        return self._lists

    def _overview(self, members: Members) -> dict[str, Any]:
        columns = {column.partition(".")[0] for column in members.columns("overview")}
        said = self._api.get("overview", "rabbitmq_version", "cluster_name", *sorted(columns))
        version = said.get("rabbitmq_version") if isinstance(said, dict) else None
        if not version:
            raise AnswerError(f"{self._api.url} is not the management API of a RabbitMQ: it tells no version")
        numbers = str(version).split(".")[:2]
        if not all(number.isdigit() for number in numbers) or tuple(map(int, numbers)) < OLDEST:
            raise AnswerError(
                f"{self._api.url} is RabbitMQ {version}, which this check does not know",
                "3.6 is the oldest that it does",
            )
        return dict(said)

    def _queues(self, reading: Reading, queues: ListOf, members: Members) -> None:
        items = list(self._items("queues", "name", "vhost", "node", "policy", *members.columns("queue")))
        bound: Counter[Named] = Counter()
        for binding in self._api.get("bindings", "vhost", "destination", "destination_type") if items else ():
            if binding.get("destination_type") == "queue":
                bound[binding["vhost"], binding["destination"]] += 1
        bindings: dict[Named, Values] = {
            (q["vhost"], q["name"]): {"queue.bindings": bound[q["vhost"], q["name"]]} for q in items
        }
        queues.report(reading, items, _queue_activity, bindings)

    def _exchanges(self, reading: Reading, exchanges: ListOf, members: Members) -> None:
        items = self._items("exchanges", "name", "vhost", *members.columns("exchange"))
        exchanges.report(reading, items, _exchange_activity)

    def _items(self, path: str, *columns: str) -> Any:
        return (item for item in self._api.items(path, *columns) if item.get("vhost") in self._vhosts)

    def _nodes(self, reading: Reading, members: Members) -> None:
        for node in self._api.get("nodes", "name", *members.columns("node")):
            for key, value in members.values("node", node).items():
                reading.add(key, value, node_name=str(node["name"]))

    def _connections(self, reading: Reading) -> None:
        said = [c for c in self._api.get("connections", "vhost", "state") if c.get("vhost") in self._vhosts]
        of_vhost, of_state = Counter(c["vhost"] for c in said), Counter(c.get("state") or DIRECT for c in said)
        for vhost in self._vhosts:
            reading.add("vhost.connections", of_vhost[vhost], vhost_name=vhost)
        for state, count in of_state.items():
            reading.add("connection.count", count, connection_state=state)

    def _aliveness(self, reading: Reading) -> DeniedError | None:
        """The service check of every virtual host; the error if the user has rights in none of them."""
        denied = []
        for vhost in self._vhosts:
            status, words = Status.CRITICAL, ""
            try:
                said = self._api.get(f"aliveness-test/{quoted(vhost)}")
                if isinstance(said, dict) and said.get("status") == "ok":
                    status = Status.OK
                else:
                    words = f"the test of aliveness says {str(said)[:200]}"
            except VhostDeniedError:
                denied.append(vhost)
                words = str(self._no_rights(vhost, f"in the virtual host {vhost}"))
            except NotFoundError:
                reading.lacks(ALIVENESS, "this version of RabbitMQ has no test of aliveness any more")
                break
            except SilentError as e:
                reading.service_check(ALIVENESS, Status.CRITICAL, str(e), vhost=vhost)
                break  # there is no time for others either
            except CheckError as e:
                words = str(e)
            reading.service_check(ALIVENESS, status, words, vhost=vhost)
        if denied and len(denied) == len(self._vhosts):
            return self._no_rights(denied[0], "in any virtual host, and so sees no queue")
        return None

    def _no_rights(self, vhost: str, where: str) -> DeniedError:
        user = self._settings.username
        return DeniedError(
            f"the user {user} has no rights {where}",
            f"rabbitmqctl set_permissions -p {vhost} {user} '^aliveness-test$' '^(amq\\.default|aliveness-test)$' "
            "'^(amq\\.default|aliveness-test)$'",
        )


def _queue_activity(values: Values) -> float:
    """Messages per second that come and go; among queues that rest, those with more messages."""
    rates = ("queue.message_stats.publish_details.rate", "queue.message_stats.deliver_get_details.rate")
    waiting = values.get("queue.messages") or 0
    return sum(values.get(rate) or 0 for rate in rates) + waiting / (waiting + 1)


def _exchange_activity(values: Values) -> float:
    rates = ("exchange.message_stats.publish_in_details.rate", "exchange.message_stats.publish_out_details.rate")
    return sum(values.get(rate) or 0 for rate in rates)
