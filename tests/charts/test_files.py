"""What Helm says of the charts as they are: linted, packaged, put together, upgraded."""

import re
import shutil
from pathlib import Path

import helm_python
import pytest

from tests.charts.rendering import CHARTS, EXAMPLES, IMAGE, NODE, SIDECAR, documents, only, render


@pytest.mark.parametrize("chart", [NODE, SIDECAR], ids=lambda path: path.name)
def test_the_linter_has_nothing_to_say(chart: Path) -> None:
    report = helm_python.lint(chart, IMAGE, strict=True, kube_version="v1.29.0")
    assert [message for message in report["messages"] if "icon is recommended" not in message["error"]] == []
    assert report["errors"] == []


def test_a_packaged_chart_renders_as_its_folder_does(tmp_path: Path) -> None:
    archive = Path(helm_python.package(NODE, destination=tmp_path))
    assert render(archive, IMAGE) == render(NODE, IMAGE)


def test_helm_itself_brings_the_library_to_a_chart(tmp_path: Path) -> None:
    chart = tmp_path / "examples" / "web"
    shutil.copytree(EXAMPLES / "web", chart)
    shutil.copytree(SIDECAR, tmp_path / SIDECAR.name)
    helm_python.dependency_update(chart)
    assert [path.name for path in (chart / "charts").iterdir()] == ["outrider-sidecar-0.1.0.tgz"]
    deployment = only(documents(render(chart, {})), "Deployment")
    assert deployment["spec"]["template"]["spec"]["initContainers"][0]["name"] == "outrider"


def test_releases_of_one_name_in_two_namespaces_share_no_object() -> None:
    values = {
        **IMAGE,
        "presets": {"kubernetesEvents": True},
        "injection": {"enabled": True, "image": {"repository": "r.example/sidecar"}},
    }

    def names(namespace: str) -> set[tuple[str, str, str]]:
        found = documents(render(NODE, values, namespace=namespace))
        return {(one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]) for one in found}

    here, there = names("here"), names("there")
    assert {kind for kind, namespace, _ in here if not namespace} == {
        *("PriorityClass", "ClusterRole", "ClusterRoleBinding"),
        *("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"),
    }
    assert here & there == set()


def test_an_upgrade_keeps_cursors_and_selectors(tmp_path: Path) -> None:
    next_one = Path(helm_python.package(NODE, destination=tmp_path, version="0.2.0", app_version="0.2.0"))
    before, after = (only(documents(render(chart, IMAGE)), "DaemonSet")["spec"] for chart in (NODE, next_one))
    images = [spec["template"]["spec"]["containers"][0]["image"].rpartition(":")[2] for spec in (before, after)]
    assert images == ["0.1.0", "0.2.0"]
    assert before["selector"] == after["selector"]
    assert before["template"]["spec"]["volumes"] == after["template"]["spec"]["volumes"]
    assert after["updateStrategy"]["rollingUpdate"]["maxSurge"] == 0


def test_links_lead_somewhere() -> None:
    pages = list(CHARTS.glob("*/README.md"))
    assert len(pages) == 3
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))]
    assert [f"{page.parent.name}: {link}" for page, link in links if not (page.parent / link).exists()] == []
    named = re.findall(r"\]\(([^)/]+)/", (EXAMPLES / "README.md").read_text("utf-8"))
    assert {path.name for path in EXAMPLES.iterdir() if path.is_dir()} == set(named) - {".."}
