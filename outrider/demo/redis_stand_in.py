"""What stands in for Redis where it is not installed: as much of it as the check `redis` and the demo's load ask for.

    python -m outrider.demo.redis_stand_in PORT

It speaks the protocol of Redis (RESP 2, commands as arrays of strings) on loopback, a thread for each connection. Keys
are strings that may expire. What INFO tells is counted here and about this process; nothing is made up. Any other
command is an error, as a Redis without it would say.
"""

import contextlib
import os
import resource
import secrets
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from io import BufferedIOBase

Reply = bytes | int | None | list["Reply"]
_MAX_CLIENTS = 10_000


class CommandError(Exception):
    """The server's answer is this error."""


class Store:
    """Keys, counters and the commands on them. Safe to use from several threads."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now, self._began, self._run = now, now(), secrets.token_hex(20)
        self._keys: dict[bytes, tuple[bytes, float | None]] = {}
        self._lock = threading.Lock()
        self.clients = self.connections = self.read = self.written = 0
        self._commands = self._hits = self._misses = self._expired = 0

    def call(self, words: list[bytes]) -> Reply:
        """The answer to one command. Raises CommandError."""
        name, arguments = words[0].upper(), words[1:]
        with self._lock:
            self._commands += 1
            match name, arguments:
                case b"PING", []:
                    return b"PONG"
                case b"INFO", _:
                    return self._info()
                case b"GET", [key]:
                    return self._get(key)
                case b"SET", [key, value, b"EX", seconds] if seconds.isdigit():
                    self._keys[key] = value, self._now() + int(seconds)
                    return b"OK"
                case b"CONFIG", [b"GET", b"maxclients"]:
                    return [b"maxclients", b"%d" % _MAX_CLIENTS]
                case b"CLIENT", [b"LIST"]:
                    return b"".join(b"id=%d name= db=0\n" % n for n in range(self.clients))
                case b"SLOWLOG", [b"GET", *_]:
                    return []
        raise CommandError(f"ERR unknown command '{name.decode('ascii', 'replace')[:20]}'")

    def connected(self, by: int) -> None:
        """A client came (1) or went (-1)."""
        with self._lock:
            self.clients += by
            self.connections += by > 0

    def moved(self, read: int, written: int) -> None:
        """Bytes that went over the network."""
        with self._lock:
            self.read, self.written = self.read + read, self.written + written

    def _get(self, key: bytes) -> bytes | None:
        self._expire()
        value, _ = self._keys.get(key, (None, None))
        self._hits, self._misses = self._hits + (value is not None), self._misses + (value is None)
        return value

    def _expire(self) -> None:
        now = self._now()
        gone = [key for key, (_, until) in self._keys.items() if until is not None and until <= now]
        for key in gone:
            del self._keys[key]
        self._expired += len(gone)

    def _info(self) -> bytes:
        self._expire()
        now, used = self._now(), resource.getrusage(resource.RUSAGE_SELF)
        keys, expiring = len(self._keys), sum(until is not None for _, until in self._keys.values())
        sections: dict[str, dict[str, object]] = {
            "Server": {
                "redis_version": "7.0.0", "redis_mode": "standalone", "process_id": os.getpid(), "run_id": self._run,
                "server_time_usec": int(now * 1e6), "uptime_in_seconds": int(now - self._began),
                "executable": "outrider.demo.redis_stand_in",
            },
            "Clients": {"connected_clients": self.clients, "maxclients": _MAX_CLIENTS, "blocked_clients": 0},
            "Memory": {
                "used_memory": sum(len(key) + len(value) for key, (value, _) in self._keys.items()),
                "used_memory_rss": used.ru_maxrss * 1024, "maxmemory": 0,
            },
            "Stats": {
                "total_connections_received": self.connections, "total_commands_processed": self._commands,
                "total_net_input_bytes": self.read, "total_net_output_bytes": self.written,
                "rejected_connections": 0, "expired_keys": self._expired, "evicted_keys": 0,
                "keyspace_hits": self._hits, "keyspace_misses": self._misses,
            },
            "Replication": {"role": "master", "connected_slaves": 0, "master_repl_offset": 0},
            "CPU": {"used_cpu_sys": f"{used.ru_stime:.6f}", "used_cpu_user": f"{used.ru_utime:.6f}"},
            "Keyspace": {"db0": f"keys={keys},expires={expiring},avg_ttl=0"} if keys else {},
        }  # fmt: skip
        lines = (
            f"# {title}\r\n" + "".join(f"{name}:{value}\r\n" for name, value in fields.items())
            for title, fields in sections.items()
        )
        return "\r\n".join(lines).encode()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads = True, True

    def __init__(self, port: int) -> None:
        self.store = Store()
        super().__init__(("127.0.0.1", port), _Client)


class _Client(socketserver.StreamRequestHandler):
    """One connection, to its end."""

    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        store = self.server.store
        store.connected(1)
        try:
            with contextlib.suppress(OSError, ValueError):  # it went away, or speaks something else
                while words := _command(self.rfile):
                    try:
                        answer = _encoded(store.call(words))
                    except CommandError as e:
                        answer = f"-{e}\r\n".encode()
                    store.moved(sum(map(len, words)), len(answer))
                    self.wfile.write(answer)
        finally:
            store.connected(-1)


def _command(stream: BufferedIOBase) -> list[bytes]:
    """The words of the next command; none at the end. Raises ValueError for what is no command."""
    head = stream.readline(64)
    if not head:
        return []
    if not head.startswith(b"*"):
        raise ValueError(head)
    return [stream.read(int(stream.readline(64)[1:]) + 2)[:-2] for _ in range(int(head[1:]))]


def _encoded(reply: Reply) -> bytes:
    match reply:
        case None:
            return b"$-1\r\n"
        case int():
            return b":%d\r\n" % reply
        case list():
            return b"*%d\r\n" % len(reply) + b"".join(map(_encoded, reply))
        case b"OK" | b"PONG":
            return b"+%b\r\n" % reply
    return b"$%d\r\n%b\r\n" % (len(reply), reply)


def main() -> None:
    with _Server(int(sys.argv[1])) as server:
        print("Ready to accept connections", flush=True)  # the words of Redis
        server.serve_forever()


if __name__ == "__main__":
    main()
