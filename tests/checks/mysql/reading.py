"""What a reading of MySQL says, less what is the same of every point."""

from typing import Any

from outrider.checks.check import Reading
from outrider.model.points import ServiceCheck
from tests.checks import reading as any_reading

OF_THE_SERVER = (
    "port",
    "database_hostname",
    "database_instance",
    "dbms_flavor",
    "server_uuid",
    "cluster_uuid",
    "replication_role",
)


def datadog(reading: Reading) -> dict[tuple[str, str], Any]:
    """Values by name and tags, without those of the server."""
    return any_reading.datadog(reading, OF_THE_SERVER)


def checks(reading: Reading, name: str) -> dict[str, ServiceCheck]:
    """The service checks of this name, by the mode of replication."""
    return {dict(c.tags).get("replication_mode", ""): c for c in reading.service_checks if c.name == name}
