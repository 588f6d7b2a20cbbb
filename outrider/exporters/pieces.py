"""A text that is too large for one entry, as JSON strings that together say all of it."""

import orjson


def pieces(text: str, room: int) -> list[bytes]:
    """`text` as JSON strings of at most `room` bytes each, which together say all of it."""
    escaped = orjson.dumps(text)[1:-1]
    found, at = [], 0
    while at < len(escaped):
        end = _cut(escaped, at, at + room - 2)
        found.append(b'"%b"' % escaped[at:end])
        at = end
    return found or [b'""']


def _cut(escaped: bytes, start: int, end: int) -> int:
    """The last place at or before `end` where the inside of a JSON string may be cut."""
    if end >= len(escaped):
        return len(escaped)
    while end > start + 1 and 0x80 <= escaped[end] < 0xC0:  # inside a UTF-8 sequence
        end -= 1
    slash = escaped.rfind(b"\\", max(start, end - 5), end)
    if slash >= 0:
        run = slash
        while run > start and escaped[run - 1] == 0x5C:
            run -= 1
        begins_escape = (slash - run) % 2 == 0
        if begins_escape and slash + (6 if escaped[slash + 1] == 0x75 else 2) > end:
            return slash
    return end
