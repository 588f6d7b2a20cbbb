"""The replica set: how this member stands in it, and how far its oplog reaches back.

`replSetGetStatus` lists every member with the time of the last operation that it has applied (`optimeDate`). Only the
primary can tell how far the others are behind, so the lag of each member comes from there, tagged with that member and
its state. When the primary sees that another member has changed its state, that is an event.
"""

from outrider.checks.mongodb.asking import Asking
from outrider.checks.mongodb.connection import Document
from outrider.checks.mongodb.deployment import PRIMARY, SECONDARY, STATES, UNKNOWN
from outrider.model.points import Event

MEBIBYTE = 2.0**20


def read_member(asking: Asking, status: Document) -> None:
    """This member, and on the primary the lag of all, from an answer to replSetGetStatus."""
    reading, members = asking.reading, status.get("members", [])
    me: Document = next((m for m in members if m.get("self")), {})
    primary: Document = next((m for m in members if m["state"] == PRIMARY), {})
    reading.add("replSet.state", status["myState"])
    reading.add("replSet.health", me.get("health"))
    if "optimeDate" in primary and "optimeDate" in me:
        reading.add("replSet.replicationLag", (primary["optimeDate"] - me["optimeDate"]).total_seconds())
    _read_votes(asking, me.get("_id"))
    if status["myState"] != PRIMARY:
        return
    for member in members:
        if member["state"] in (PRIMARY, SECONDARY) and "optimeDate" in member and "optimeDate" in primary:
            lag = (primary["optimeDate"] - member["optimeDate"]).total_seconds()
            reading.add("replSet.optimeLag", lag, member=member["name"], replset_state=STATES[member["state"]])


def _read_votes(asking: Asking, me: object) -> None:
    answer = asking.command("replSetGetConfig", "replSet.vote")
    if answer is None:
        return
    votes = {m["_id"]: m.get("votes", 1) for m in answer["config"]["members"]}
    mine = votes.get(me)
    asking.reading.add("replSet.votes", mine)
    if mine is not None and any(votes.values()):
        asking.reading.add("replSet.voteFraction", mine / sum(votes.values()))


def states(status: Document) -> dict[str, int]:
    """The state of every member, by name."""
    return {member["name"]: member["state"] for member in status.get("members", [])}


def read_changes(asking: Asking, name: str, before: dict[str, int], now: dict[str, int]) -> None:
    """An event for every member of the set `name` that has another state than `before`."""
    for member, state in now.items():
        old = before.get(member, state)
        if old == state:
            continue
        new_name, old_name = (STATES.get(s, STATES[UNKNOWN]).upper() for s in (state, old))
        tags = {
            "action": "mongo_replset_member_status_change",
            "member_status": new_name,
            "previous_member_status": old_name,
            "replset": name,
        }
        asking.reading.events.append(
            Event(
                f"{member} is {new_name} for {name}",
                f"MongoDB {member} of the replica set {name} is {new_name}. It was {old_name} before.",
                asking.reading.time,
                tuple(tags.items()),
                aggregation_key=f"mongodb {name}",
            )
        )


def read_oplog(asking: Asking) -> None:
    """Its size, and the time from its first operation to its last: how long a member may be away and still catch up."""
    pipeline: list[Document] = [{"$collStats": {"storageStats": {}}}]
    stats = asking.aggregate(
        "collStats of local.oplog.rs", "local", "oplog.rs", pipeline, "oplog.logSize", "oplog.used"
    )
    if stats:
        storage = stats[0]["storageStats"]
        for key, size in (("oplog.logSizeMB", storage.get("maxSize")), ("oplog.usedSizeMB", storage.get("size"))):
            asking.reading.add(key, None if size is None else round(size / MEBIBYTE, 2))
    ends = [_oplog_end(asking, direction) for direction in (1, -1)]
    if ends[0] is not None and ends[1] is not None:
        asking.reading.add("oplog.timeDiff", float(ends[1] - ends[0]))


def _oplog_end(asking: Asking, direction: int) -> int | None:
    """The second in which the first operation (1) or the last one (-1) was written."""
    oplog = asking.client["local"]["oplog.rs"]
    found = asking.ask(
        "find in local.oplog.rs",
        lambda: oplog.find_one({}, projection={"ts": 1}, sort=[("$natural", direction)]),
        "oplog.timeDiff",
    )
    return None if found is None else int(found["ts"].time)
