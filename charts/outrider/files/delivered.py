"""What `helm test` runs in a pod: it writes one line, and asks the collector of its node until that line was delivered.

The collector's ledger (`/ledger`, docs/how-it-works.md) has this pod's stream at every exporter that gets its lines. A
record counts as accepted when the destination has acknowledged it, so this ends with 0 only if a line has really gone
all the way. It ends with 1 when an exporter has refused it, and when the time is up; then it says what it saw last.

Environment: LEDGER (URL), POD_NAME, POD_NAMESPACE, POD_UID; SECONDS_AT_MOST, 120 unless given.
"""

import json
import os
import sys
import time
import urllib.request


def streams() -> dict[str, tuple[dict[str, int], str]]:
    """The records of this pod, and what is wrong with the destination, by exporter. Raises OSError, ValueError."""
    with urllib.request.urlopen(os.environ["LEDGER"], timeout=5) as answer:
        ledger = json.load(answer)
    return {
        name: (stream["records"], exporter.get("trouble") or "")
        for name, exporter in ledger["exporters"].items()
        for stream in exporter["streams"]
        if stream["uid"] == os.environ["POD_UID"]
    }


def look() -> tuple[bool | None, str]:
    """Whether the line was delivered (None: not yet), and what there is to say."""
    try:
        found = streams()
    except (OSError, ValueError) as error:
        return None, f"no ledger at {os.environ['LEDGER']}: {error}; does the collector of this node run?"
    if not found:
        namespace = os.environ["POD_NAMESPACE"]
        return None, f"no exporter reads this pod; do logs.select and the routes take the namespace {namespace}?"
    said = []
    for name, (records, trouble) in sorted(found.items()):
        counts = ", ".join(f"{records[key]} {key}" for key in ("read", "accepted", "rejected", "left_out"))
        said.append(f"{name}: {counts}" + (f" ({trouble})" if trouble else ""))
    if any(records["rejected"] for records, _ in found.values()):
        return False, "; ".join(said)
    return all(records["accepted"] for records, _ in found.values()) or None, "; ".join(said)


def main() -> int:
    print(f"helm test: a line of {os.environ['POD_NAMESPACE']}/{os.environ['POD_NAME']}", flush=True)
    end = time.monotonic() + float(os.environ.get("SECONDS_AT_MOST", "120"))
    while True:
        delivered, said = look()
        if delivered is not None or time.monotonic() > end:
            break
        time.sleep(1)
    print(f"{'delivered' if delivered else 'NOT delivered'}: {said}", flush=True)
    return 0 if delivered else 1


if __name__ == "__main__":
    sys.exit(main())
