"""The embedded Redis: where it is found, who shares it, and what of an earlier one it does not trust."""

import importlib.util
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from adapters.redis.embedded import EmbeddedRedis, EmbeddedRedisMissing


def answers(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


def test_a_missing_redis_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra, the distribution's package and the setting are named; not PyPI, where the name is another's."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EmbeddedRedisMissing) as raised:
        EmbeddedRedis(tmp_path / "redis").start()
    text = str(raised.value)
    assert [True] * 3 == [remedy in text for remedy in ("pip install '.[embedded]'", "redis-server", "REDIS_URL")]
    assert "credence[embedded]" not in text


def test_the_packaged_server_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo runs the same version on every machine: here the machine's own is one that can't start."""
    own = tmp_path / "redis-server"
    own.write_text("#!/bin/sh\nexit 1\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    server = EmbeddedRedis(tmp_path / "redis")
    with redis.Redis.from_url(server.start()) as client:
        assert "valkey" == client.info("server")["server_name"]
    server.stop()


def test_without_the_package_the_machine_s_own_server_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that the distribution brings does as well: here it is one that can't start."""
    own = tmp_path / "redis-server"
    own.write_text("#!/bin/sh\nexit 1\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match="did not start"):
        EmbeddedRedis(tmp_path / "redis").start()


def test_a_second_process_s_part_joins_and_leaves(tmp_path: Path) -> None:
    """Who only joined does not stop the server of who still uses it."""
    first, second = EmbeddedRedis(tmp_path), EmbeddedRedis(tmp_path)
    url = first.start()
    assert url == second.start()
    second.stop()
    assert answers(url)
    first.stop()
    assert not answers(url)


def test_it_starts_again_after_a_stop(tmp_path: Path) -> None:
    """Stopping is final for a server and not for its directory, and stopping twice is no error."""
    server = EmbeddedRedis(tmp_path)
    server.start()
    server.stop()
    server.stop()
    url = server.start()
    assert answers(url)
    server.stop()


def test_a_server_that_ended_by_itself_is_stopped_without_fuss(tmp_path: Path) -> None:
    """Somebody else may have shut it down."""
    server = EmbeddedRedis(tmp_path)
    with redis.Redis.from_url(server.start()) as operator:
        operator.shutdown(nosave=True)
    server.stop()


@pytest.mark.parametrize(
    "left_behind", ["", "garbage", "redis://127.0.0.1:1/0", "redis://127.0.0.1:1/0 1", "\x00 \x00"]
)
def test_an_address_that_leads_nowhere_is_not_trusted(tmp_path: Path, left_behind: str) -> None:
    """A file of an earlier run that says nothing useful is replaced."""
    (tmp_path / "address").write_text(left_behind)
    server = EmbeddedRedis(tmp_path)
    url = server.start()
    assert answers(url)
    server.stop()


def test_a_port_that_is_silent_now_is_not_trusted(tmp_path: Path) -> None:
    """The old port may be another program's by now."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        old = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        (tmp_path / "address").write_text(f"{old} 1")
        server = EmbeddedRedis(tmp_path)
        url = server.start()
        assert old != url
        assert answers(url)
        server.stop()


def test_it_listens_on_the_loopback_address_and_keeps_nothing(tmp_path: Path) -> None:
    """Nobody on the network reaches it, and no data outlives it."""
    server = EmbeddedRedis(tmp_path)
    with redis.Redis.from_url(server.start(), decode_responses=True) as client:
        kept = {name: client.config_get(name)[name] for name in ("bind", "protected-mode", "save", "appendonly")}
        assert {"bind": "127.0.0.1", "protected-mode": "yes", "save": "", "appendonly": "no"} == kept
        client.set("key", "value")
    server.stop()
    assert not list(tmp_path.glob("*.rdb"))


def test_processes_that_start_at_the_same_moment_share_one_server(tmp_path: Path) -> None:
    """There is one server for a directory, however many ask for it at once."""
    servers = [EmbeddedRedis(tmp_path) for _ in range(4)]
    with ThreadPoolExecutor(len(servers)) as pool:
        urls = set(pool.map(EmbeddedRedis.start, servers))
    assert 1 == len(urls)
    for server in servers:
        server.stop()
    assert not answers(urls.pop())
