"""What a check is: it reads one third-party product, once, when asked.

A check is a class that an entry point of the group `outrider.checks` names, in a folder with the `metrics.yaml` that
declares what it reports (`declared.py`). It is made from its settings and keeps its connection for the next run:

    class RedisCheck:
        Settings = RedisSettings
        can_connect = "redis.can_connect"

        def __init__(self, settings: RedisSettings) -> None: ...
        def read(self, reading: Reading) -> None:
            reading.instance(redis_host=..., redis_port=...)
            ...
            reading.add("info.connected_clients", 12)
        def close(self) -> None: ...

`run` asks one and makes a report of it in every case: the service check `can_connect` is OK if `read` returned, and
CRITICAL with the reason if it raised. Points that were added before stay in.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Protocol

import msgspec

from outrider.checks.declared import Declared
from outrider.checks.numbers import LARGEST
from outrider.config import forms
from outrider.config.secrets import SecretError
from outrider.config.shape import Doc, Duration, Members
from outrider.model.clock import Clock
from outrider.model.points import Attributes, Event, Metric, Point, Report, ServiceCheck, Status, Subject, Value


class CheckSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What every check may be told.

    `addresses` are the settings that say where the server is. In what a pod's annotation asks for they may name that
    pod alone (`outrider.discovery.confined`), so no other setting may lead anywhere. A check without any cannot be
    asked for in that way.
    """

    addresses: ClassVar[tuple[str, ...]] = ("host", "hosts", "url", "prometheus_url")

    timeout: Annotated[
        float, Duration(above=0, high=60), Doc("How long the server may take for one answer, and for one run.")
    ] = 5.0
    tags: Annotated[
        list[Annotated[str, forms.TAG]], Members(unique=True), Doc("Tags of everything that this check reports.")
    ] = []

    @property
    def leads_on(self) -> str:
        """The setting that has the check go on to other addresses, which the server names; "" if none does. A pod's
        annotation cannot ask for that.
        """
        return ""


class CheckError(Exception):
    """The server could not be read. `words` say what happened and where; `cure` what a person can do about it (the
    right that is missing and the statement that grants it).
    """

    def __init__(self, words: str, cure: str = "") -> None:
        super().__init__(f"{words}: {cure}" if cure else words)
        self.words, self.cure = words, cure


class RefusedError(CheckError):
    """Nobody listens there, the name is unknown, or the connection was cut."""


class SilentError(CheckError):
    """No answer within the timeout."""


class DeniedError(CheckError):
    """Wrong password, or a right is missing."""


class AnswerError(CheckError):
    """An answer that makes no sense: another product, or a version that is not known."""


MAX_MISSING, MAX_KEY = 1000, 200
"""Things of which it is kept why they could not be read, and characters of their names: a server may make them up."""
LONGEST = 1024
"""Characters of an attribute: as many as Cloud Monitoring takes of a label. Servers call themselves what they like."""


class Reading:
    """Gathers what a check finds in one run. `time` is nanoseconds since 1970."""

    def __init__(self, declared: Declared, time: int) -> None:
        self.declared, self.time = declared, time
        self.start: int | None = None
        """Since when the server counts, if it says so: nanoseconds since 1970. For points that are added later."""
        self.points: list[Point] = []
        self.service_checks: list[ServiceCheck] = []
        self.events: list[Event] = []
        self.missing: dict[str, str] = {}
        """Why something that is declared was not read, by key: a right, a version, a role."""
        self._instance: Attributes = ()
        self._told: tuple[dict[str, str | int], Attributes] = ({}, ())

    def instance(self, **attributes: str | int) -> None:
        """What is read, as attributes of every point and service check from here on."""
        self._instance = _sorted(attributes)
        self._told = ({}, self._instance)

    def add(self, key: str, value: Value | None, /, start: int | None = None, **attributes: str | int) -> None:
        """A value of whatever `metrics.yaml` declares under `key`; nothing if it is None or a key that is not declared,
        since servers report more than anybody asked for.
        """
        if value is None:
            return
        if isinstance(value, int) and not -LARGEST < value < LARGEST:
            self.lacks(key, "its value has more than 64 bits")
            return
        for metric in self.declared.metrics.get(key, ()):
            since = None if metric.kind == "gauge" else self.start if start is None else start
            self.points.append(Point(metric, value, self.time, self._all(attributes), since))

    def point(self, metric: Metric, value: Value, attributes: Attributes = (), start: int | None = None) -> None:
        """A value of a metric that is not declared, one that the server itself describes, or with attributes of which
        there are several under one key.
        """
        told = self._instance
        if attributes:
            own = {(key, value[:LONGEST]) for key, value in attributes}
            keys = {key for key, _ in attributes}
            told = tuple(sorted({*own, *(pair for pair in told if pair[0] not in keys)}))
        self.points.append(Point(metric, value, self.time, told, start))

    def _all(self, attributes: dict[str, str | int]) -> Attributes:
        """With those of the instance. Most values come in rows, whose attributes are made once."""
        if attributes != self._told[0]:
            self._told = (attributes, _sorted({**dict(self._instance), **attributes}))
        return self._told[1]

    def service_check(self, name: str, status: Status, message: str = "", **attributes: str | int) -> None:
        tags = self.declared.tags(_sorted({**dict(self._instance), **attributes}))
        self.service_checks.append(ServiceCheck(name, status, self.time, tags, message))

    def lacks(self, key: str, why: str) -> None:
        """What is declared under `key` could not be read this time."""
        key = key[:MAX_KEY]
        if key in self.missing or len(self.missing) < MAX_MISSING:
            self.missing[key] = why

    def lacks_all(self, begins: str | tuple[str, ...], why: str) -> None:
        """The same of everything that is declared under a key which begins so."""
        for key in self.declared.metrics:
            if key.startswith(begins):
                self.lacks(key, why)


class Check(Protocol):
    """Reads one server. Made once; `read` is called by one thread at a time."""

    Settings: ClassVar[type[CheckSettings]]
    can_connect: str
    """The service check that tells whether it could be read: of the class, or of a check whose settings name it."""

    def __init__(self, settings: Any) -> None: ...

    def read(self, reading: Reading) -> None:
        """Add everything to `reading`. Raises CheckError or OSError if there is nothing to be had."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


def run(
    check: Check, declared: Declared, subject: Subject, clock: Clock, tags: tuple[str, ...] = ()
) -> tuple[Report, Reading, CheckError | None]:
    """Ask `check` once. Never raises; the last one is why it could not be read."""
    reading = Reading(declared, int(clock.now() * 1e9))
    trouble: CheckError | None = None
    try:
        check.read(reading)
    except CheckError as e:
        trouble = e
    except TimeoutError as e:
        trouble = SilentError(f"no answer in time ({e})")
    except OSError as e:
        trouble = RefusedError(e.strerror or str(e))
    except SecretError as e:
        trouble = DeniedError(str(e))
    except Exception as e:  # a defect of the check, which is to cost neither the service check nor the next run
        trouble = CheckError(f"unexpected failure: {type(e).__name__}: {e}")
        trouble.__cause__ = e
    status = Status.OK if trouble is None else Status.CRITICAL
    reading.service_check(check.can_connect, status, "" if trouble is None else str(trouble))
    report = Report(
        declared.product,
        subject,
        tuple(reading.points),
        tuple(reading.service_checks),
        tuple(reading.events),
        tags,
    )
    return report, reading, trouble


def _sorted(attributes: Mapping[str, str | int]) -> Attributes:
    return tuple(sorted((key, str(value)[:LONGEST]) for key, value in attributes.items()))
