"""HDFS: what a NameNode and a DataNode tell of themselves at `/jmx`, as JSON.

    GET /jmx?qry=Hadoop:service=NameNode,name=FSNamesystem*     {"beans": [{"name": "...,name=FSNamesystemState", ...}]}

The NameNode has two beans with much the same in it; what both have is taken from FSNamesystemState. A DataNode has one,
whose name ends with an id of its storage.

Source: hadoop.apache.org, hadoop-common/Metrics.html (dfs context), FSNamesystemMBean and FSDatasetMBean.
"""

from typing import Any

from outrider.checks.check import AnswerError, Reading
from outrider.checks.rest import Members, NotFoundError, Rest, bare, number, objects

NAMENODE = "Hadoop:service=NameNode,name=FSNamesystem"
DATANODE = "Hadoop:service=DataNode,name=FSDatasetState"


def read_namenode(rest: Rest, url: str, reading: Reading) -> None:
    """Raises CheckError."""
    beans = _beans(rest, url, NAMENODE)
    state, system = (next((b for b in beans if b.get("name") == NAMENODE + end), {}) for end in ("State", ""))
    if not state and not system:
        raise AnswerError(f"{bare(url)} is not a NameNode: it has no {NAMENODE}", _PORTS)
    said = {**system, **state}
    total, used = number(said, "CapacityTotal"), number(said, "CapacityUsed")
    if total and used is not None:
        said["capacityInUse"] = used / total
    host = system.get("tag.Hostname")
    attributes = {"node_name": str(host)} if host else {}
    for key, value in Members(reading.declared).values("namenode", said).items():
        reading.add(key, value, None, **attributes)


def read_datanode(rest: Rest, url: str, reading: Reading) -> None:
    """Raises CheckError."""
    beans = [bean for bean in _beans(rest, url, DATANODE) if str(bean.get("name")).startswith(DATANODE)]
    if not beans:
        raise AnswerError(f"{bare(url)} is not a DataNode: it has no {DATANODE}", _PORTS)
    for key, value in Members(reading.declared).values("datanode", beans[0]).items():
        reading.add(key, value)


_PORTS = "which of Hadoop's daemons is it? A NameNode listens on 9870, a DataNode on 9864"


def _beans(rest: Rest, url: str, name: str) -> list[dict[str, Any]]:
    try:
        return objects(rest.json(f"{url}/jmx?qry={name}*"), "beans")
    except NotFoundError as e:
        raise AnswerError(e.words, _PORTS) from None
