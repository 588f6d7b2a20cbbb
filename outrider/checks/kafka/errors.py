"""Kafka's error codes, as far as one can do something about them or they come and go by themselves.

Source: the protocol's own description (kafka.apache.org/protocol).
"""

from outrider.checks.check import AnswerError, CheckError, DeniedError

UNKNOWN_TOPIC = 3
NOT_LEADER = 6
UNSUPPORTED_MECHANISM = 33
PASSING = {
    UNKNOWN_TOPIC,
    5,  # the leader is not available
    NOT_LEADER,
    9,  # a replica is not available
    14,  # the coordinator is loading
    15,  # the coordinator is not available
    16,  # another broker is the coordinator now
    74,  # the epoch of the leader is another one
    75,
    78,  # the offset is not available yet, after an election
}
"""What is over when the cluster has settled: the next run asks anew."""
DENIED = {
    29: "topics: kafka-acls --add --allow-principal User:<user> --operation Describe --topic '*'",
    30: "groups: kafka-acls --add --allow-principal User:<user> --operation Describe --group '*'",
    31: "the cluster: kafka-acls --add --allow-principal User:<user> --operation Describe --cluster",
}
"""What may not be seen, and what grants it."""


def trouble(code: int, name: str, asked: str) -> CheckError:
    """What it means that the broker called `name` answered the request `asked` with the error `code`."""
    if code in DENIED:
        what, _, cure = DENIED[code].partition(": ")
        return DeniedError(f"{name} does not let us see {what} ({asked})", cure)
    return AnswerError(f"{name} answers {asked} with the error {code}")
