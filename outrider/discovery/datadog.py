"""From an instance in Datadog's words to the settings of our check: `{"host": …, "ssl": true}` -> `{host: …, tls: {}}`.

Each of the Agent's checks has a table of the keys that have a counterpart here (`dictionary.py`). What has none is left
out, and said; the check runs all the same, since nearly everything in an instance has a default.
"""

from collections.abc import Mapping

from outrider.config.problems import nearest
from outrider.discovery.dictionary import COMMON, INIT, PRODUCTS, SWITCHES, UNSAID, Rule, Settings, true
from outrider.discovery.wish import FaultError


def translated(check: str, instance: Settings, init: Settings) -> tuple[str, Settings, list[str]]:
    """Our name of `check`, the settings that `instance` means, and words about what is left out. Raises FaultError if
    there is no such check here.
    """
    if check not in PRODUCTS:
        hint = nearest(check, PRODUCTS)
        known = ", ".join(PRODUCTS)
        raise FaultError(
            f'there is no check here for Datadog\'s "{check}", there are those for {known}; {hint}'.rstrip("; ")
        )
    ours, rules = PRODUCTS[check]
    left_out: list[str] = []
    settings = {**UNSAID.get(check, {}), **_turned(instance, {**COMMON, **rules}, left_out)}
    switch, on = SWITCHES.get(check, ("", True))
    if not true(instance.get(switch, on)):
        settings.pop("tls", None)
    more = _turned(init, INIT, left_out)
    if "service" in instance:
        more.pop("tags", None)  # the Agent takes the instance's
    settings = _merged(more, settings)
    return ours, settings, left_out


def _turned(given: Settings, rules: Mapping[str, Rule], left_out: list[str]) -> Settings:
    settings: Settings = {}
    odd: list[str] = []
    for key, value in given.items():
        rule = rules.get(key, "")
        if value is None or rule is None:
            continue
        if rule == "":
            odd.append(key)
            continue
        try:
            turned = {rule: value} if isinstance(rule, str) else rule(value)
        except (TypeError, ValueError, KeyError, AttributeError):
            left_out.append(f"the value of {key} makes no sense here")
            continue
        settings = _merged(settings, turned)
    if odd:
        left_out.append(f"no counterpart here: {', '.join(odd)[:300]}")
    return settings


def _merged(one: Settings, other: Settings) -> Settings:
    """Both; mappings go into each other, and lists behind each other."""
    merged = dict(one)
    for key, value in other.items():
        before = merged.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            value = {**before, **value}
        elif isinstance(before, list) and isinstance(value, list):
            value = [*before, *value]
        merged[key] = value
    return merged
