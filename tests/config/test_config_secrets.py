"""Secrets: read when asked for, read again when their file changes, never shown."""

import os
import pickle
from pathlib import Path

import msgspec
import pytest

from outrider.config import ConfigError, Secret, SecretError, dump, examine_text, parse

HIDDEN = "hunter2-not-to-be-seen"


def replace_as_kubelet_does(link: Path, content: str, version: int) -> None:
    """Write a new directory and swap the symbolic link over to it, as the mount of a Secret is renewed."""
    directory = link.parent / f"..{version}"
    directory.mkdir()
    (directory / "value").write_text(content)
    os.utime(directory / "value", ns=(1, 1))
    temporary = link.parent / "..tmp"
    temporary.symlink_to(directory / "value")
    os.replace(temporary, link)


def test_a_file_is_read_without_its_last_line_end(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("abc def\r\n")
    assert Secret.from_file(str(file)).read() == "abc def"


def test_a_file_is_read_again_when_it_is_swapped(tmp_path: Path) -> None:
    link = tmp_path / "key"
    replace_as_kubelet_does(link, "one", 1)
    secret = Secret.from_file(str(link))
    assert secret.read() == "one"
    replace_as_kubelet_does(link, "two", 2)  # same length, same time: only the inode tells
    assert secret.read() == "two"


def test_a_file_is_read_again_when_it_is_written_in_place(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("one")
    secret = Secret.from_file(str(file))
    assert secret.read() == "one"
    file.write_text("two")
    os.utime(file, ns=(1, 1))
    assert secret.read() == "two"


def test_a_file_that_did_not_change_is_not_opened_again(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("one")
    secret = Secret.from_file(str(file))
    assert secret.read() == "one"
    before = os.stat(file)
    with open(file, "r+") as f:  # the same inode and length; put the old time back
        f.write("two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert secret.read() == "one"


@pytest.mark.parametrize("gap", ["away", "empty", "binary"])
def test_the_last_value_bridges_a_gap(tmp_path: Path, gap: str) -> None:
    file = tmp_path / "key"
    file.write_text("one")
    secret = Secret.from_file(str(file))
    assert secret.read() == "one"
    if gap == "away":
        file.unlink()
    else:
        file.write_bytes(b"" if gap == "empty" else b"\xff\xfe")
    assert secret.read() == "one"
    file.write_text("three")
    assert secret.read() == "three"


def test_a_file_that_was_never_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    secret = Secret.from_file(str(tmp_path / "later"))
    with pytest.raises(SecretError, match=r"later cannot be read: No such file or directory"):
        secret.read()
    (tmp_path / "later").write_text("here")
    assert secret.read() == "here"


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "has no value"), (b"\n", "has no value"), (b"\xff", "it is not UTF-8 text")]
)
def test_a_file_without_a_usable_value_is_an_error(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(SecretError, match=words):
        Secret.from_file(str(file)).read()


def test_a_variable_is_taken_when_the_file_is_loaded() -> None:
    env = {"KEY": "one\n"}
    secret = Secret.from_env("KEY", env)
    env["KEY"] = "two"
    assert secret.read() == "one"
    with pytest.raises(SecretError, match="env NOPE"):
        Secret.from_env("NOPE", env).read()


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        (Secret(HIDDEN), "Secret(written in the configuration)"),
        (Secret.from_env("KEY", {"KEY": HIDDEN}), "Secret(env KEY)"),
        (Secret.from_file("/run/key"), "Secret(file /run/key)"),
    ],
)
def test_a_secret_is_shown_by_where_it_comes_from(secret: Secret, shown: str) -> None:
    assert repr(secret) == str(secret) == f"{secret}" == shown
    with pytest.raises(TypeError):
        msgspec.json.encode(secret)


def test_secrets_reach_another_process_and_compare_by_content() -> None:
    secret = Secret(HIDDEN)
    assert pickle.loads(pickle.dumps(secret)).read() == HIDDEN
    assert secret == Secret(HIDDEN)
    assert secret != Secret("other")
    assert len({Secret.from_file("/a"), Secret.from_file("/a"), Secret.from_file("/b")}) == 2
    assert secret != HIDDEN


FULL = f"""
kube: {{token: {HIDDEN}}}
exporters:
  google: {{kind: stackdriver, credentials: {{file: key.json}}, logs_endpoint: "http://u:{HIDDEN}@localhost:1"}}
  datadog: {{kind: datadog, api_key: "${{KEY}}"}}
"""


def test_a_configuration_never_shows_its_secrets() -> None:
    config = parse(FULL, env={"KEY": HIDDEN})
    for shown in (repr(config.kube), repr(dump(config)), repr(config.exporters["datadog"])):
        assert HIDDEN not in shown


def test_a_dump_tells_where_secrets_come_from() -> None:
    plain = dump(parse(FULL, env={"KEY": HIDDEN}))
    assert plain["exporters"]["google"]["credentials"] == {"file": "key.json"}
    assert plain["kube"]["token"] == "***"
    assert plain["exporters"]["google"]["logs_endpoint"] == "http://u:***@localhost:1"


@pytest.mark.parametrize(
    ("text", "line", "path", "words"),
    [
        ("kube:\n  token: {env: NOPE}", 2, "kube.token.env", "the variable NOPE is not set"),
        ("kube:\n  token: {env: EMPTY}", 2, "kube.token.env", "the variable EMPTY is empty"),
        (f"kube:\n  token: {{env: {HIDDEN}}}", 2, "kube.token.env", "is not the name of a variable"),
        ("kube:\n  token: {env: [A]}", 2, "kube.token.env", "expected the name of a variable"),
        ("kube:\n  token: {file: ''}", 2, "kube.token.file", "expected the path of a file"),
        ("kube:\n  token: {file: true}", 2, "kube.token.file", "expected the path of a file"),
        ("kube:\n  token: {env: KEY, file: x}", 2, "kube.token", "found the keys env, file"),
        ("kube:\n  token: {}", 2, "kube.token", "found an empty mapping"),
        ("kube:\n  token: {fiel: x}", 2, "kube.token", 'did you mean "file"?'),
        ("kube:\n  token: ' '", 2, "kube.token", "found an empty string"),
        ("kube:\n  token: 4711", 2, "kube.token", "found a number, expected a secret string, {env: X} or {file: path}"),
        ("kube:\n  token: ${NOPE}", 2, "kube.token", "the variable NOPE is not set"),
        ("exporters:\n  g: {credentials: key.json}", 2, "exporters.g.credentials", "{file: path}"),
        ("exporters:\n  g: {credentials: acd}", 2, "exporters.g.credentials", 'did you mean "adc"?'),
        ("exporters:\n  d: {kind: datadog}", 2, "exporters.d.api_key", "the variable DD_API_KEY is not set"),
    ],
)
def test_what_is_wrong_with_a_secret(text: str, line: int, path: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, env={"KEY": "k", "EMPTY": ""})
    [problem] = caught.value.problems
    assert (problem.line, problem.path) == (line, path)
    assert words in str(problem)


@pytest.mark.parametrize("written", [f"{{env: '{HIDDEN}'}}", f"[{HIDDEN}]", f"'{HIDDEN}'", f"{{file: [{HIDDEN}]}}"])
def test_no_message_repeats_a_value_that_may_be_the_secret(written: str) -> None:
    report = examine_text(f"exporters: {{g: {{credentials: {written}}}}}", env={})
    assert report.config is None
    assert HIDDEN not in "".join(str(p) for p in report.problems)


def test_a_secret_file_that_is_not_there_yet_is_a_warning() -> None:
    report = examine_text("kube: {token: {file: /nowhere/token}}")
    assert report.config is not None
    [problem] = report.problems
    assert (problem.severity, problem.path) == ("warning", "kube.token.file")
    assert "the file /nowhere/token does not exist" in problem.message
