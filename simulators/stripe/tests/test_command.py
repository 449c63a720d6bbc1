"""The stand-in as a process of its own."""

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from simulators.stack.postgrest import free_port

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_in_order(end: signal.Signals) -> None:
    """It says where it is and where events go, serves, and exits with 0 on either signal."""
    command = [sys.executable, "-m", "simulators", "stripe", "--port", str(free_port()), "--seed", "7"]
    command += ["--webhook-url", "http://127.0.0.1:9/hook"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        url = next(word for word in first.split() if word.startswith("http"))
        assert "http://127.0.0.1:9/hook" in second
        with httpx.Client(base_url=url) as http:
            assert 200 == http.get("/").status_code
            process.send_signal(end)
            _, complaints = process.communicate(timeout=30)
    assert (0, "") == (process.returncode, complaints)
