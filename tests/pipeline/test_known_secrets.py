"""The ready sets: what each finds, alone, in text and in JSON, and what looks like it and is none.

The examples are put together at run time, or a scanner of repositories would take them for real ones.
"""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.config import Redact
from outrider.config.model import SETS as NAMES
from outrider.model.counters import Counters
from outrider.model.patterns import compiled
from outrider.model.records import Records
from outrider.pipeline.known_secrets import SETS, is_card
from outrider.pipeline.redact import Redactor

R = "[redacted]"
X = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" * 3
HEX = "0123456789abcdef" * 4
PEM = "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE " + "KEY-----"
JWT = "eyJ" + "hbGciOiJIUzI1NiJ9." + "eyJ" + "zdWIiOiIxMjM0In0." + "dBjftJeZ4CVP-mB92K27uhbU"


def redacted(name: str, line: str) -> str:
    records = Records.of([(0, b"t", b"stdout", line.encode())])
    [(_, _, _, out)] = Redactor([Redact(set=name)], Counters()).apply(records)
    return out.decode()


FOUND: list[tuple[str, str, str]] = [
    ("keys", PEM, R),
    ("keys", PEM.replace("\n", "\\n"), R),
    ("keys", PEM[:50], R),
    ("keys", PEM.replace("RSA ", ""), R),
    ("keys", PEM.replace("RSA", "ENCRYPTED"), R),
    ("keys", PEM.replace("RSA", "OPENSSH"), R),
    ("keys", "AK" + "IAIOSFODNN7EXAMPLE", R),
    ("keys", "AS" + "IAIOSFODNN7EXAMPLE", R),
    ("keys", "AWS_SECRET_ACCESS_KEY=" + X[:40], "AWS_SECRET_ACCESS_KEY=" + R),
    ("keys", "aws_secret_key: '" + X[:40] + "'", "aws_secret_key: '" + R + "'"),
    ("keys", "AI" + "za" + X[:35], R),
    ("keys", "GOC" + "SPX-" + X[:28], R),
    ("keys", "AccountKey=" + X[:86] + "==;Endpoint=x", "AccountKey=" + R + ";Endpoint=x"),
    ("keys", "AGE-SECRET-" + "KEY-1" + X[:58].upper(), R),
    ("keys", "sk-" + "ant-api03-" + X[:40], R),
    ("keys", "SG" + "." + X[:22] + "." + X[:43], R),
    ("keys", "do" + "p_v1_" + HEX, R),
    ("tokens", JWT, R),
    ("tokens", JWT.rpartition(".")[0] + ".", R),
    ("tokens", "Authorization: Bearer abc.def", "Authorization: Bearer " + R),
    ("tokens", "authorization=Basic dXNlcjpwYXNz", "authorization=Basic " + R),
    ("tokens", "sent Bearer " + X[:20], "sent Bearer " + R),
    ("tokens", "-H 'Basic dXNlcjpwYXNzd29yZA=='", "-H 'Basic " + R + "'"),
    ("tokens", "gh" + "p_" + X[:36], R),
    ("tokens", "gh" + "s_" + X[:36], R),
    ("tokens", "github_" + "pat_" + X[:22] + "_" + X[:59], R),
    ("tokens", "gl" + "pat-" + X[:20], R),
    ("tokens", "xo" + "xb-123456789012-" + X[:24], R),
    ("tokens", "xap" + "p-1-A0123456789-" + X[:24], R),
    ("tokens", "https://hooks.slack.com/" + "services/T000/B000/" + X[:24], "https://hooks.slack.com/services/" + R),
    ("tokens", "sk_" + "live_" + X[:24], R),
    ("tokens", "rk_" + "test_" + X[:24], R),
    ("tokens", "wh" + "sec_" + X[:32], R),
    ("tokens", "np" + "m_" + X[:36], R),
    ("tokens", "py" + "pi-" + X[:60], R),
    ("tokens", "DD-API-KEY: " + HEX[:32], "DD-API-KEY: " + R),
    ("tokens", "?api_key=" + HEX[:32] + "&x", "?api_key=" + R + "&x"),
    ("tokens", "DD_APP_KEY=" + HEX[:40], "DD_APP_KEY=" + R),
    ("cards", "4111111111111111", R),
    ("cards", "4111 1111 1111 1111", R),
    ("cards", "4111-1111-1111-1111", R),
    ("cards", "5555555555554444", R),
    ("cards", "2223003122003222", R),
    ("cards", "378282246310005", R),
    ("cards", "3782 822463 10005", R),
    ("cards", "30569309025904", R),
    ("cards", "6011111111111117", R),
    ("cards", "3530111333300000", R),
    ("cards", "6200000000000005", R),
    ("cards", "4222222222222", R),
    ("cards", "7 4111 1111 1111 1111 12/27", f"7 {R} 12/27"),
    ("cards", "4111111111111111 5555555555554444", f"{R} {R}"),
    ("cards", "paid with 4111111111111111.", f"paid with {R}."),
    ("cards", "card_4111111111111111", f"card_{R}"),
    ("emails", "me@example.com", R),
    ("emails", "<first.last+tag@mail.example.co.uk>", f"<{R}>"),
    ("emails", "to: a@b.de, c@d.fr", f"to: {R}, {R}"),
    ("emails", "jürgen@müller.de", R),
    ("emails", "o'neil@example.org", R),
]


@pytest.mark.parametrize(("name", "line", "wanted"), FOUND)
def test_what_is_found(name: str, line: str, wanted: str) -> None:
    assert redacted(name, line) == wanted
    assert redacted(name, f"a {line} b") == (f"a {wanted} b" if "BEGIN" not in line or "END" in line else f"a {wanted}")


@pytest.mark.parametrize(("name", "line", "wanted"), FOUND)
def test_in_json_it_is_found_too_and_the_object_stays_one(name: str, line: str, wanted: str) -> None:
    for dump in (json.dumps, lambda o: orjson.dumps(o).decode()):
        assert orjson.loads(redacted(name, dump({"a": 1, "m": line, "n": [line]}))) == {
            "a": 1,
            "m": wanted,
            "n": [wanted],
        }


@pytest.mark.parametrize(
    ("name", "line", "wanted"),
    [
        ("tokens", '{"DD-API-KEY": "' + HEX[:32] + '", "a": 1}', '{"DD-API-KEY": "[redacted]", "a": 1}'),
        ("tokens", '{"api_key":"' + HEX[:32] + '"}', '{"api_key":"[redacted]"}'),
        ("tokens", r'{"m":"{\"api_key\":\"' + HEX[:32] + r'\"}"}', r'{"m":"{\"api_key\":\"[redacted]\"}"}'),
        ("tokens", '{"Authorization":"Bearer abc"}', '{"Authorization":"Bearer [redacted]"}'),
        ("keys", '{"aws_secret_access_key":"' + X[:40] + '"}', '{"aws_secret_access_key":"[redacted]"}'),
        ("cards", '{"card":4111111111111111,"x":1}', '{"card":"[redacted]","x":1}'),
        ("emails", r'{"m":"me\u0040example.com"}', '{"m":"[redacted]"}'),
    ],
)
def test_names_and_values_of_json(name: str, line: str, wanted: str) -> None:
    assert redacted(name, line) == wanted


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("keys", "-----BEGIN PUBLIC " + "KEY-----"),
        ("keys", "-----BEGIN CERTIFICATE-----"),
        ("keys", "AK" + "IA short"),
        ("keys", "XAK" + "IAIOSFODNN7EXAMPLEX"),
        ("keys", "sha1 " + HEX[:40]),
        ("keys", "aws_secret_access_key is not set"),
        ("keys", "sk-learn 1.4"),
        ("tokens", "Bearer of bad news"),
        ("tokens", "Basic authentication required"),
        ("tokens", "authorization: none"),
        ("tokens", "eyJust a word.eyJust"),
        ("tokens", "commit " + HEX[:40]),
        ("tokens", "trace " + HEX[:32]),
        ("tokens", "api_key=missing"),
        ("tokens", "ghp_short sk_live_ xoxb-"),
        ("cards", "4111111111111112"),
        ("cards", "1700000000000000000"),
        ("cards", "1700000000000"),
        ("cards", "2024-05-01 10:00:00.123456789"),
        ("cards", "20240501100000123"),
        ("cards", "41111111111111110000"),
        ("cards", "0.4111111111111111"),
        ("cards", "4111111111111111.5"),
        ("cards", "550e8400-e29b-41d4-a716-446655440000"),
        ("cards", "+49 30 123456 789012"),
        ("cards", "9999999999999995"),
        ("emails", "user@localhost"),
        ("emails", "lodash@4.17.21"),
        ("emails", "@scope/package"),
        ("emails", "a @ b.de"),
        ("emails", "17:00@host"),
    ],
)  # fmt: skip
def test_what_looks_like_it_and_is_none(name: str, line: str) -> None:
    assert redacted(name, line) == line
    assert redacted(name, json.dumps({"m": line})) == json.dumps({"m": line})


def test_the_configuration_knows_exactly_these_sets() -> None:
    assert tuple(SETS) == NAMES


def test_a_screen_matches_wherever_its_pattern_does() -> None:
    """On every example; that a screen is a part of its pattern is for the reader to see."""
    for known in (k for ks in SETS.values() for k in ks if k.screen):
        full, part = compiled(known.pattern), compiled(known.screen)
        hits = [line for _, line, _ in FOUND if full.search(line.encode())]
        assert hits
        assert all(part.search(line.encode()) for line in hits)


def test_every_pattern_finds_something_of_the_table() -> None:
    for name, known in ((n, k) for n, ks in SETS.items() for k in ks):
        pattern = compiled(known.pattern)
        assert any(n == name and pattern.search(line.encode()) for n, line, _ in FOUND), known.pattern


def luhn(digits: str) -> bool:
    doubled = [int(d) * (2 if i % 2 else 1) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


@given(st.text("0123456789", min_size=15, max_size=15))
def test_the_check_digit(digits: str) -> None:
    number = "4" + digits
    assert is_card(number.encode()) == luhn(number)


@given(st.lists(st.sampled_from(["4111 1111 1111 1111", "5555555555554444", "7", "12/27", "x", "."]), max_size=5))
def test_cards_among_other_things(parts: list[str]) -> None:
    assert redacted("cards", " / ".join(parts)) == " / ".join(R if len(p) > 9 else p for p in parts)
