"""A chunk of a log file becomes physical lines.

Container runtimes write one of two shapes. CRI (containerd, CRI-O):

    2026-05-16T09:19:06.315692671Z stdout F the line
    <RFC 3339 time> <stdout|stderr> <P|F>[:more tags] <content>

where `P` says that the line goes on in the next one (the runtime cuts at 16 KiB) and `F` that it ends here. And
docker's json-file:

    {"log":"the line\\n","stream":"stdout","time":"2026-05-16T09:19:06.315692671Z"}

where a missing newline at the end of `log` says that the line goes on. Both come out of here as the same tuple. One
compiled pattern takes the whole chunk apart in C; anything that is neither shape comes out too, as a line without a
time, because a line that cannot be read is still a line that somebody wrote.
"""

import re

import orjson

Line = tuple[bytes, bytes, bytes, bytes, bytes]
"""(raw line with its newline, timestamp, b"stdout" | b"stderr", tag, content). A tag starting with P: the line goes
on. An empty tag: neither CRI nor docker; timestamp and stream are then empty and the content is the raw line.
"""

_TIME = rb"\d{4}-[01]\d-[0-3]\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
_CRI = re.compile(rb"((?:(" + _TIME + rb") (stdout|stderr) ([FP])(?::[^ \n]*)?(?: (.*))?|.*)\n)")
_split_cri = _CRI.findall
_TIME_ONLY = re.compile(_TIME)


def split(chunk: bytes) -> list[Line]:
    """The lines of `chunk`, which must end with a newline.

    Both shapes may be mixed in one chunk: which one a line has is seen from the line.
    """
    lines: list[Line] = _split_cri(chunk)
    if lines and not lines[0][3] and lines[0][0][:1] == b"{":
        return [line if line[3] else _other(line[0]) for line in lines]
    return lines


def recover(raw: bytes) -> Line:
    """A second look at a line the CRI pattern did not fit: docker's shape, or either shape behind the NUL bytes that a
    writer leaves when its file was truncated under it (it goes on at its old offset, the hole reads as zeros).
    """
    if raw[:1] == b"\0":
        found: list[Line] = _split_cri(raw.lstrip(b"\0"))
        first = found[0]
        _, timestamp, std, tag, content = first if first[3] else _other(first[0])
        return raw, timestamp, std, tag, content
    return _other(raw)


def _other(raw: bytes) -> Line:
    if raw[:1] == b"{":
        try:
            line = orjson.loads(raw)
            log, time = line["log"].encode(), line["time"].encode()
            std = b"stderr" if line.get("stream") == "stderr" else b"stdout"
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, UnicodeEncodeError):
            pass
        else:
            if _TIME_ONLY.fullmatch(time):
                return (raw, time, std, b"F", log[:-1]) if log.endswith(b"\n") else (raw, time, std, b"P", log)
    return raw, b"", b"", b"", raw[:-1]
