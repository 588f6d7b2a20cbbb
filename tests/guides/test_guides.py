"""What the guides say is done as they say it: commands are run, files are read by those who they are for.

The form of a block is told in `blocks.py`, what has to be there before a page in `situations.py`.
"""

import re
import shlex
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner

from outrider.checks.found import INSTALLED
from outrider.cli.group import main
from outrider.cli.main import COMMANDS
from outrider.config import examine_text
from tests.charts.pods import containers, pods
from tests.charts.rendering import CHARTS, NODE, documents, render
from tests.charts.test_examples import OF_THE_OPERATOR
from tests.guides import helm
from tests.guides.blocks import CLOUD, GUIDES, PAGES, Block, blocks
from tests.guides.session import Session, prints
from tests.guides.situations import situation

LANGUAGES = {"sh", "text", "yaml", "toml", "ini", "python"}
CLOUD_PROGRAMS = {"gcloud", "kubectl", "docker", "helm", "outrider", "jq", "curl", "for", "do", "done", "grep"}
NAMES = [page.name for page in PAGES]


def _all() -> list[Block]:
    return [block for page in PAGES for block in blocks(page)]


def test_there_are_guides_and_their_index_names_them() -> None:
    named = set(re.findall(r"\]\(([a-z-]+\.md)\)", (GUIDES / "README.md").read_text("utf-8")))
    assert named == set(NAMES)
    assert len(NAMES) >= 8


def test_every_block_is_of_a_known_form() -> None:
    fences = {page.name: page.read_text("utf-8").count("\n```") for page in PAGES}
    assert {name: 2 * sum(b.page == name for b in _all()) for name in NAMES} == fences, "every fence says its language"
    odd = [str(b) for b in _all() if b.language not in LANGUAGES or (b.language == "sh" and b.mark not in ("", CLOUD))]
    assert odd == []
    nameless = [str(b) for b in _all() if b.language in ("yaml", "toml", "ini", "python") and not b.mark]
    assert nameless == [], "a file has a name, under which the commands find it"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_of_ours_that_it_names_is_one(page: Path) -> None:
    named = set(re.findall(r"(?:^|`|-- |\| )outrider ([a-z]+)", page.read_text("utf-8"), re.MULTILINE))
    assert named <= COMMANDS.keys()


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_its_commands_do_what_it_says(page: Path, tmp_path: Path) -> None:
    """All of them, in order, and what is printed is what the page prints."""
    with Session(tmp_path) as session, situation(page.name)(session) as sections:
        said, ran = None, 0
        begun: set[str] = set()
        for block in blocks(page):
            if block.section in sections and block.section not in begun:
                begun.add(block.section)
                sections[block.section]()
            if block.is_file:
                session.write(block)
            elif block.runs:
                said, ran = session.run(block), ran + 1
            elif block.language == "text" and not block.mark:
                assert said is not None, f"{block}: no command has printed this"
                missing = prints(said, session.here(block.text))
                assert missing is None, f"{block}: {missing!r} is not in\n{said}"
        assert ran, "a guide without a command that could be tried"
        assert begun == sections.keys()


# -- files ------------------------------------------------------------------------------------------------------------


def _files(*kinds: str) -> list[Block]:
    """The YAML files of these kinds: `values` of the chart, `manifest`s, `config`urations, `metrics` of a check."""
    return [b for b in _all() if b.language == "yaml" and b.is_file and _kind(b) in kinds]


def _kind(block: Block) -> str:
    if block.mark.endswith("metrics.yaml"):
        return "metrics"
    plain = yaml.safe_load(block.text)
    if "image" in plain:
        return "wrong values" if block.mark == "wrong.yaml" else "values"
    return "manifest" if "apiVersion" in plain else "config"


def _rendered(block: Block) -> list[dict[str, Any]]:
    return documents(render(NODE, yaml.safe_load(block.text)))


def test_there_are_files_of_every_kind() -> None:
    assert [kind for kind in ("values", "manifest", "config", "metrics") if not _files(kind)] == []


@pytest.mark.parametrize("block", _files("values"), ids=str)
def test_values_render_to_what_kubernetes_takes_with_a_configuration_that_can_be_used(block: Block) -> None:
    objects = _rendered(block)
    for one in objects:
        if one["kind"] not in OF_THE_OPERATOR:
            kubernetes_validate.validate(one, "1.36", strict=True)
    (text,) = [one["data"]["outrider.yaml"] for one in objects if "outrider.yaml" in one.get("data", {})]
    (container,) = [c for pod in pods(objects) for c in containers(pod) if c["name"] == "outrider"]
    report = examine_text(text, str(block), {variable["name"]: "10.0.0.1" for variable in container["env"]}, INSTALLED)
    # Files of the pod are not here; everything else has to be in order.
    assert report.config is not None
    assert [str(p) for p in report.problems if not p.message.endswith(" does not exist")] == []


@pytest.mark.parametrize("block", _files("manifest"), ids=str)
def test_manifests_are_what_kubernetes_takes(block: Block) -> None:
    kubernetes_validate.validate(yaml.safe_load(block.text), "1.36", strict=True)


@pytest.mark.parametrize("block", _files("config"), ids=str)
def test_configurations_can_be_used(block: Block) -> None:
    variables = {"NODE_NAME": "node-1", "NODE_IP": "10.0.0.1", "DD_API_KEY": "key"}
    own = {} if block.page == "extend-check.md" else {"checks": INSTALLED}  # whose check is installed by its commands
    report = examine_text(block.text, str(block), variables, **own)
    assert report.config is not None, [str(p) for p in report.problems]


# -- what needs a cloud -----------------------------------------------------------------------------------------------


def _commands(block: Block) -> list[list[str]]:
    """The words of each command; those of a loop or a pipe one by one."""
    text = block.text.replace("\\\n", " ")
    lines = [re.sub(r"^\w+=\$\((.*)\)$", r"\1", line.strip()) for line in text.splitlines()]
    return [words for line in lines for part in re.split(r"\s\|\s|;\s", line) if (words := shlex.split(part))]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_what_needs_a_cloud_names_what_is_there(page: Path, tmp_path: Path) -> None:
    """Helm takes what it is given; Kubernetes' objects are those of the chart; Secrets that are made are mounted."""
    made: dict[str, set[str]] = {}
    session = Session(tmp_path)
    objects: list[dict[str, Any]] = []
    named: set[tuple[str, str]] = set()
    for block in blocks(page):
        if block.is_file:
            session.write(block)
        for words in _commands(block) if block.mark == CLOUD and block.language == "sh" else []:
            assert words[0] in CLOUD_PROGRAMS, f"{block}: {words[0]}"
            if words[0] == "helm":
                objects += _of_helm(words[1:], tmp_path)
            if words[0] == "kubectl":
                named |= {m for word in words for m in re.findall(r"^(daemonset|configmap)/(\w+)$", word)}
                if words[3:6] == ["create", "secret", "generic"]:
                    made[words[6]] = {word.removeprefix("--from-file=") for word in words[7:]}
            _is_a_command(_ours(words))
    there = {(one["kind"].lower(), one["metadata"]["name"]) for one in objects}
    assert named <= there
    assert _asked(objects) == made


def _ours(words: list[str]) -> list[str]:
    """The command of ours, called by itself or by `kubectl exec … -- outrider`; nothing if it is none."""
    if words[0] == "outrider":
        return words[1:]
    return words[words.index("--") + 2 :] if "--" in words else []


def _of_helm(arguments: list[str], folder: Path) -> list[dict[str, Any]]:
    given = helm.parsed(arguments)
    return documents(helm.templates(given, folder)) if given.command in helm.RENDERED else []


def _is_a_command(words: list[str]) -> None:
    if not words:
        return
    assert words[0] in COMMANDS
    told = CliRunner().invoke(main, [words[0], "--help"]).output
    assert [word for word in words[1:] if word.startswith("--") and word not in told] == []


def _asked(objects: list[dict[str, Any]]) -> dict[str, set[str]]:
    """The keys of Secrets that pods mount, by Secret."""
    volumes = [volume["secret"] for pod in pods(objects) for volume in pod.get("volumes", []) if "secret" in volume]
    return {v["secretName"]: {item["key"] for item in v["items"]} for v in volumes}


def test_a_wrong_command_for_helm_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("image: {repository: r}\npresets: {gkee: true}\n")
    (tmp_path / "charts").symlink_to(CHARTS)
    with pytest.raises(helm_python.HelmValuesError):
        _of_helm(["install", "outrider", "charts/outrider", "--values", "values.yaml"], tmp_path)
