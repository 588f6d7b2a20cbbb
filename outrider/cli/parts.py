"""What the supervisor of workers starts (`collectors/fleet.py`); not for people.

python -m outrider.cli.parts worker CONFIG LOG-LEVEL SHARE:LINE:BUCKETS
python -m outrider.cli.parts judge CONFIG first|next                        the text comes on standard input
"""

import sys

from outrider.cli.following import listen_to_signals, log_to_stderr, run


def worker(path: str, log_level: str, spec: str) -> None:
    """Be one worker of several; the line to the supervisor and the buckets are inherited descriptors."""
    from collectors import rights
    from collectors.line import LineError
    from collectors.worker import ORPHANED, Worker
    from outrider.model.shard import Shard

    rights.use()
    share, line, buckets = spec.split(":")
    log_to_stderr(log_level, f"worker-{share.partition('/')[0]} ")
    try:
        one = Worker(path, Shard.parse(share), int(line), int(buckets))
    except LineError:  # the supervisor is gone already
        sys.exit(ORPHANED)
    listen_to_signals(one.nodes)
    run(one.run)


def judge(path: str, which: str) -> None:
    """Print what keeps the configuration from being used, as a JSON list."""
    import json

    from collectors.judging import judge as judged

    print(json.dumps(judged(sys.stdin.buffer.read(), path, which == "first")))


if __name__ == "__main__":
    what, *told = sys.argv[1:]
    worker(*told) if what == "worker" else judge(*told)
