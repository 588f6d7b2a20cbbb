"""The frozen nouns: their text forms, and that nobody changes them."""

import dataclasses

import msgspec
import pytest

from outrider.model.cluster import Cluster
from outrider.model.pod import Container, Controller, Owner, Pod
from outrider.model.stream import Stream

STREAM = Stream("default", "web-5d9c", "uid-1", "app", 3)


def test_the_key_of_a_stream_names_its_log() -> None:
    assert STREAM.key == "default_web-5d9c_uid-1/app/3"


def test_nouns_are_values() -> None:
    assert Stream("default", "web-5d9c", "uid-1", "app", 3) == STREAM
    assert (
        len({STREAM, Stream("default", "web-5d9c", "uid-1", "app", 3), Stream("default", "web-5d9c", "u", "app", 3)})
        == 2
    )


@pytest.mark.parametrize(
    ("noun", "name"), [(STREAM, "restart"), (Cluster("acme", "c", "l", "n"), "node"), (Pod("u", "p", "n"), "labels")]
)
def test_nouns_cannot_be_changed(noun: object, name: str) -> None:
    with pytest.raises((dataclasses.FrozenInstanceError, AttributeError)):
        setattr(noun, name, "other")


def test_a_pod_goes_through_the_snapshot_unchanged() -> None:
    owner, main = Owner("ReplicaSet", "web-abc12"), Container("app:1", id="containerd://c", env={"DD_ENV": "prod"})
    pod = Pod("u", "p", "n", {"app": "web"}, {"note": "ünïcode"}, Controller("Deployment", "web"), owner)
    pod = msgspec.structs.replace(pod, qos="Burstable", claims=("a", "b"), containers={"main": main})
    assert msgspec.json.decode(msgspec.json.encode(pod), type=Pod) == pod
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(pod)), Pod) == pod


def test_what_is_not_known_of_a_pod_takes_no_room() -> None:
    assert msgspec.json.encode(Pod("u", "p", "n")) == b'{"uid":"u","name":"p","namespace":"n"}'
