"""Manifests as people have them, wired once, again, and for something else: every other byte of them stays.

`manifests` has them in the manner of helm, kustomize, Argo, OpenShift, Knative and `kubectl get`, and of a person who
comments everything.
"""

import difflib
import json
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from outrider.wiring.manifests import ManifestError, wire
from outrider.wiring.pod import Wiring
from outrider.wiring.splice import Splice

MANIFESTS = {path.name: path.read_text("utf-8") for path in sorted((Path(__file__).parent / "manifests").iterdir())}
LINES = {name: text for name, text in MANIFESTS.items() if name not in ("got.json", "flow.yaml")}
OF_KUBERNETES = ("comments.yaml", "flow.yaml", "helm.yaml", "kustomize.yaml")
"""The others are of kinds that it does not have, or lists."""
GOOGLE = {"exporters": {"google": {"kind": "stackdriver"}}}
FILES = {**GOOGLE, "logs": {"files": ["/logs/*.log"]}}


def wired(text: str, logs: str = "/logs", container: str = "") -> str:
    config = FILES if logs else GOOGLE
    return wire(text, lambda name, first: Wiring(name, "sidecar:1", config, container or first, logs)).text


def differences(before: str, after: str) -> tuple[list[str], list[str]]:
    """The lines that went, and those that came."""
    lines = list(difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True)))
    return tuple([line[2:] for line in lines if line.startswith(sign)] for sign in "-+")  # type: ignore[return-value]


@pytest.mark.parametrize("name", LINES)
def test_lines_are_added_and_no_other_is_touched(name: str) -> None:
    went, came = differences(LINES[name], wired(LINES[name]))
    assert went == []
    assert "outrider" in "".join(came)


@pytest.mark.parametrize("name", MANIFESTS)
def test_once_more_changes_nothing(name: str) -> None:
    once = wired(MANIFESTS[name])
    assert wired(once) == once


@pytest.mark.parametrize("name", MANIFESTS)
def test_with_less_what_was_more_is_taken_away(name: str) -> None:
    assert wired(wired(MANIFESTS[name]), logs="") == wired(MANIFESTS[name], logs="")


@pytest.mark.parametrize("name", MANIFESTS)
def test_what_is_wired_is_yaml_with_a_sidecar_in_it(name: str) -> None:
    text = wired(MANIFESTS[name])
    parts = [Splice(one) for one in re.split(r"^---", text, flags=re.MULTILINE) if "initContainers" in one]
    assert parts
    for part in parts:
        read = json.dumps(part.plain(part.root))
        assert read.count('"restartPolicy": "Always"') == 1
        assert read.count('"name": "outrider-logs"') == 3  # the volume, and who mounts it
        if name in OF_KUBERNETES:
            kubernetes_validate.validate(part.plain(part.root), "1.36", strict=True)


POD = "kind: Pod\nmetadata:\n  name: x\nspec:\n"
TWO = f"{POD}  containers:\n  - name: web\n    image: web:1\n  - name: proxy\n    image: proxy:1\n"


def test_the_mount_moves_to_another_container() -> None:
    assert wired(wired(TWO), container="proxy") == wired(TWO, container="proxy")


def test_a_mount_that_a_person_has_added_stays_as_long_as_its_volume() -> None:
    mine = "    volumeMounts: [{name: outrider-logs, mountPath: /mine}]\n"
    both = wired(TWO).replace("    image: proxy:1\n", f"    image: proxy:1\n{mine}")
    assert wired(both) == both
    assert wired(both, logs="") == wired(TWO, logs="")


@pytest.mark.parametrize(
    "container",
    [
        "  - volumeMounts:\n    - name: outrider-logs\n      mountPath: /logs\n    name: web\n",
        "  - name: web\n    volumeMounts:\n    -\n      # ours\n      mountPath: /logs\n      name: outrider-logs\n",
        "  - name: web\n    volumeMounts:\n    - {name: a}\n    - {name: outrider-logs, mountPath: /logs}\n",
        "  - name: web\n    volumeMounts: [{name: a, mountPath: /a}, {name: outrider-logs, mountPath: /logs}]\n",
        "  - {name: web, volumeMounts: [{name: outrider-logs, mountPath: /logs},\n     {name: a, mountPath: /a}]}\n",
        "  - {name: web, volumeMounts: [{name: outrider-logs, mountPath: /logs}]}\n",
        "  - {volumeMounts: [ {name: outrider-logs, mountPath: /logs} ], name: web}\n",
    ],
)
def test_it_is_taken_away_wherever_it_has_come_to_stand(container: str) -> None:
    """Other programs write manifests anew, in a form of their own."""
    began = f"{POD}  containers:\n{container}"
    read = list(yaml.safe_load_all(wired(wired(began), logs="")))
    wanted: Any = yaml.safe_load(began)["spec"]["containers"][0]
    wanted["volumeMounts"] = [one for one in wanted.get("volumeMounts", ()) if one["name"] != "outrider-logs"]
    pod, _ = read
    assert {"volumeMounts": [], **pod["spec"]["containers"][0]} == wanted
    assert [one["name"] for one in pod["spec"]["volumes"] if one["name"] == "outrider-logs"] == []


def test_directives_belong_to_the_document_below_them() -> None:
    text = f"%YAML 1.2\n---\n{TWO}...\n# next\n%YAML 1.2\n# of containers\n---\n{TWO.replace('name: x', 'name: y')}"
    got = wired(text)
    assert differences(text, got)[0] == []
    assert got.count("restartPolicy: Always") == 2


def test_an_anchor_may_be_set_anew() -> None:
    text = TWO.replace("name: web", "name: &a web").replace("name: proxy", "name: &a proxy").replace("proxy:1", "*a")
    assert differences(text, wired(text))[0] == []


@pytest.mark.parametrize("end", ["\u2028", "\x85", "\u2029", "\r"], ids=ascii)
def test_what_only_yaml_takes_for_the_end_of_a_line_moves_nothing(end: str) -> None:
    """A space of typesetting, in an argument."""
    text = TWO.replace("image: web:1", f'args: ["a{end}b"]')
    got = wired(text)
    assert yaml.safe_load(got.partition("\n---\n")[0])["spec"]["containers"][0]["args"] == [
        yaml.safe_load(f'"a{end}b"')
    ]
    assert wired(got) == got


def test_a_list_that_is_there_and_empty_leaves_no_blank_behind() -> None:
    text = wired(f"{TWO}  volumes: []\n")
    assert [line for line in text.splitlines() if line != line.rstrip()] == []


def test_a_container_without_a_name_is_refused_in_words() -> None:
    with pytest.raises(ManifestError, match="line 6: x has a container without a name: give it one"):
        wired(f"{POD}  containers:\n  - image: web:1\n")
