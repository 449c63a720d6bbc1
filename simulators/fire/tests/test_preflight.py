"""What keeps `fire` from firing: live keys, unsafe addresses, targets that are not what they should be."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from simulators.fire.answers import TargetUnfit
from simulators.fire.options import add_arguments, options_of
from simulators.fire.preflight import refuse_live_keys, safe_address
from simulators.http.server import HttpServer, Request, Response

ROOT = Path(__file__).resolve().parents[3]
SECRET = "whsec_that_nobody_may_see"
KEY = "operator-key-that-nobody-may-see"


def fire(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What `fire` says, with nothing of ours in its environment but what is given."""
    return subprocess.run(
        [sys.executable, "-m", "simulators", "fire", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def fired_at(handler: Callable[[Request], Response], *more: str) -> subprocess.CompletedProcess[str]:
    """What `fire` says of a target that answers so."""
    with HttpServer(handler) as server:
        return fire("--target", server.url, *more, STRIPE_WEBHOOK_SECRET=SECRET, CREDENCE_OPERATOR_KEY=KEY)


def answer(status: int, text: object = None, **headers: str) -> Callable[[Request], Response]:
    body = json.dumps(text).encode() if text is not None else b"<html>hello</html>"
    return lambda _: Response(status=status, headers=headers, body=body)


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """It could not run, says why in one line without a traceback, and shows no secret."""
    assert 2 == done.returncode, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert KEY not in done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["sk", "rk", "pk"])
def test_a_live_key_at_hand_is_refused(kind: str) -> None:
    """Given as an argument or lying in the environment, whatever its variable is called; its value is not shown."""
    live = f"{kind}_live_0123456789"
    target = ("--target", "http://127.0.0.1:9")
    for done in (
        fire(*target, "--secret", SECRET, "--operator-key", live),
        fire(*target, "--secret", SECRET, "--operator-key", KEY, SOME_OLD_KEY=f"key={live}"),
    ):
        assert_refused(done, "live Stripe key")
        assert live not in done.stderr
    assert_refused(fire("--stack", SOME_OLD_KEY=live), "SOME_OLD_KEY")


def test_a_test_key_is_no_live_one() -> None:
    """Nor is a word that only sounds like it."""
    refuse_live_keys({"A": "sk_test_123", "B": "ask_live_support", "C": None})


@pytest.mark.parametrize(
    "target",
    [
        "http://staging.example.com",
        "http://10.0.0.7:8000",
        "http://localhost.example.com",
        "ftp://staging.example.com",
        "staging.example.com",
        "https://",
        "https://user:word@staging.example.com",
        "https://staging.example.com/?key=1",
        "https://staging.example.com:port",
    ],
)
def test_an_unsafe_address_is_refused(target: str) -> None:
    """Keys cross no network unprotected, and an address holds no secret."""
    with pytest.raises(TargetUnfit, match="--target"):
        safe_address(target)


@pytest.mark.parametrize(
    "target", ["https://staging.example.com/", "http://127.0.0.1:8000", "http://[::1]:8000", "http://localhost:8000"]
)
def test_a_safe_address_is_taken(target: str) -> None:
    """Without its trailing slash."""
    assert target.rstrip("/") == safe_address(target)


def test_nobody_there_is_reported() -> None:
    """The address is named."""
    done = fire("--target", "http://127.0.0.1:9", "--secret", SECRET, "--operator-key", KEY)
    assert_refused(done, "http://127.0.0.1:9 can't be reached", "Is it up")


def test_a_redirect_is_not_followed() -> None:
    """Keys go to the address that was given, and nowhere else; what lies in the redirect is not repeated whole."""
    done = fired_at(answer(301, Location="https://elsewhere.example.com/plans?token=abc"))
    assert_refused(done, "redirects to https://elsewhere.example.com/plans")
    assert "abc" not in done.stderr


@pytest.mark.parametrize(
    "handler",
    [answer(200), answer(404), answer(200, {"hello": "world"}), answer(200, {"plans": [{"id": 1}]}), answer(200, [])],
)
def test_another_service_is_reported(handler: Callable[[Request], Response]) -> None:
    """Nothing is fired at what does not answer as a Credence service."""
    assert_refused(fired_at(handler), "does not answer as a Credence service")


def test_a_service_that_can_not_work_is_reported() -> None:
    """With the status, and what it says."""
    assert_refused(fired_at(answer(503, {"detail": "Back soon"})), "can't work now", "Back soon")


@pytest.mark.parametrize("mode", [None, "live", ""])
def test_a_target_that_does_not_say_its_mode_is_refused(mode: str | None) -> None:
    """Unless it says that it is in test mode, nothing is fired."""

    def handler(request: Request) -> Response:
        fields = {"plans": []} if request.path == "/plans" else {"mode": mode, "groups": []}
        return Response(body=json.dumps(fields).encode())

    assert_refused(fired_at(handler), "does not say that it is in test mode")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--stack", "--story", "purchas"), "did you mean 'purchase'?"),
        (("--stack", "--story", "spaceship"), "there are: purchase"),
        (("--stack", "--seed", "lucky"), "--seed"),
        (("--stack", "--rate", "501"), "500 at most"),
        (("--stack", "--rate", "nan"), "--rate"),
        (("--stack", "--customers", "0"), "--customers"),
        (("--stack", "--concurrency", "65"), "--concurrency"),
        (("--stack", "--duration", "3601"), "--duration"),
        (("--stack", "--kill", "router"), "--kill knows"),
        (
            ("--stack", "--replay", "/nowhere/schedule.json"),
            "Cannot read schedule /nowhere/schedule.json: no such file.",
        ),
        (("--target", "http://127.0.0.1:9", "--kill", "service"), "--stack"),
        (("--target", "http://127.0.0.1:9"), "Missing --secret (or STRIPE_WEBHOOK_SECRET)."),
        (("--target", "http://127.0.0.1:9", "--secret", "whsec_a"), "CREDENCE_OPERATOR_KEY"),
    ],
)
def test_what_can_not_be_is_reported(arguments: tuple[str, ...], word: str) -> None:
    """In one line, with what to do."""
    assert_refused(fire(*arguments), word)


def test_a_machine_is_reported_too() -> None:
    """One JSON document on standard output, whatever happens."""
    done = fire("--target", "http://127.0.0.1:9", "--secret", SECRET, "--operator-key", KEY, "--json")
    body = json.loads(done.stdout)
    assert (2, "none") == (done.returncode, body["verdict"])
    assert "can't be reached" in body["problem"]


def test_the_help_teaches() -> None:
    """It has examples, the stories, and the bounds."""
    done = fire("--help")
    assert 0 == done.returncode
    for word in ("examples:", "refund in parts", "500 at most", "--kill service,redis,postgres", "Exit code"):
        assert word in done.stdout


def test_the_parts_to_kill_are_named_in_their_order() -> None:
    """Blanks between them are nothing."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given = options_of(parser.parse_args(["--stack", "--kill", "redis, service,,postgres"]), {})
    assert ("redis", "service", "postgres") == given.kills


def test_of_keys_that_are_rotated_the_first_is_shown() -> None:
    """The environment may be the service's own: what it takes while it rotates stands between commas there."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    names = ("STRIPE_WEBHOOK_SECRET", "CREDENCE_OPERATOR_KEY", "CREDENCE_SERVICE_KEY")
    environ = {name: f"old-{name}, new-{name}" for name in names}
    given = options_of(parser.parse_args(["--target", "http://127.0.0.1:9"]), environ)
    assert tuple(f"old-{name}" for name in names) == (given.secret, given.operator_key, given.service_key)
