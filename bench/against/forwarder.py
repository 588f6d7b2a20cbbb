"""A collector that does nothing but forward: reads every log to its end once, in requests of compressed lines.

    python -m bench.against.forwarder PODS HOST PORT CA

It is the tested example of `--against`, and a mark to compare with: no entries, no cursors, nothing is followed. It
stays alive when it is done, as a collector does.
"""

import glob
import signal
import ssl
import sys
from http.client import HTTPSConnection

from isal import igzip

REQUEST = 4 << 20


def main(pods: str, host: str, port: str, ca: str) -> None:
    connection = HTTPSConnection(host, int(port), context=ssl.create_default_context(cafile=ca))
    headers = {"Content-Type": "text/plain", "Content-Encoding": "gzip"}
    for path in sorted(glob.glob(f"{pods}/*/*/*.log")):
        with open(path, "rb") as log:
            while lines := log.read(REQUEST):
                lines += log.readline()
                connection.request("POST", "/lines", igzip.compress(lines, compresslevel=1), headers)
                connection.getresponse().read()
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
