"""Where a program listens: for DogStatsD and for OTLP."""

import pytest

from outrider.config import examine_text


def test_nothing_is_listened_at_by_default() -> None:
    config = examine_text("{}", env={}).config
    assert config is not None
    assert (config.dogstatsd.listen, config.otlp.listen) == ([], None)


@pytest.mark.parametrize(
    "address",
    [
        "udp://127.0.0.1:8125",
        "udp://:8125",
        "udp://[::1]:0",
        "unix:///run/dsd.socket",
        "unixgram:///a",
        "unixstream:///a",
    ],
)
def test_addresses_of_dogstatsd(address: str) -> None:
    report = examine_text(f'dogstatsd: {{listen: ["{address}"]}}', env={})
    assert report.problems == []
    assert report.config is not None
    assert report.config.dogstatsd.listen == [address]


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ('dogstatsd: {listen: ["127.0.0.1:8125"]}', "dogstatsd.listen[0]", "expected udp://address:port"),
        ('dogstatsd: {listen: ["udp://127.0.0.1:70000"]}', "dogstatsd.listen[0]", "65535 is the highest"),
        ('dogstatsd: {listen: ["unix://run/dsd"]}', "dogstatsd.listen[0]", "expected udp://address:port"),
        ('dogstatsd: {listen: "udp://:8125"}', "dogstatsd.listen", "expected a list"),
        ('dogstatsd: {listen: ["udp://:1", "udp://:1"]}', "dogstatsd.listen[1]", "again"),
        ("otlp: {listen: 4318}", "otlp.listen", "expected an address"),
        ("otlp: {listen: 'http://127.0.0.1:4318'}", "otlp.listen", "expected an address"),
        ("dogstatds: {}", "dogstatds", 'unknown key "dogstatds"'),
    ],
)
def test_what_is_no_address_is_an_error(text: str, path: str, words: str) -> None:
    [problem] = examine_text(text, env={}).problems
    assert problem.path == path
    assert words in problem.message
