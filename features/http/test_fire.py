"""`python -m simulators fire` against real deployments: good, faulty, live, and not ours."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest

from features.harness.service import OPERATOR_KEY, SERVICE_KEY, WEBHOOK_SECRET, Service
from features.real_parts import ROOT, execute
from simulators.fire.killable_stack import KILLABLE, KillableStack, killable
from simulators.fire.load_patterns import load_schedule
from simulators.fire.preflight import PROBE
from simulators.fire.sender import OTHER_SECRET
from simulators.schedules.files import save
from simulators.schedules.steps import Advance, Wait, Work
from simulators.stack.postgrest import free_port
from simulators.stack.stack import run_apart, serving, wait_until_ready
from simulators.stories.catalogue import STORIES
from simulators.stories.customers import Plan

QUICKLY = ("--rate", "200", "--json")


@pytest.fixture(scope="module")
def stack(new_server_folder: Callable[[], Path]) -> Iterator[KillableStack]:
    """A deployment that a test may break."""
    with killable(new_server_folder()) as running:
        yield running


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "simulators", "fire", *arguments]


def environment(secret: str, key: str, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONUNBUFFERED": "1",
        "STRIPE_WEBHOOK_SECRET": secret,
        "CREDENCE_OPERATOR_KEY": key,
        **more,
    }


def fire(url: str, *arguments: str, secret: str, key: str, **more: str) -> subprocess.CompletedProcess[str]:
    """What `fire` says of a target."""
    return subprocess.run(
        command("--target", url, *arguments),
        cwd=ROOT,
        env=environment(secret, key, **more),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def fire_at(stack: KillableStack, *arguments: str) -> subprocess.CompletedProcess[str]:
    return fire(stack.url, *arguments, secret=stack.secret, key=stack.operator_key)


def listed_tags(url: str, key: str) -> list[str]:
    """The tags of groups that have users now."""
    answer = httpx.get(f"{url}/ops/synthetic-users", headers={"Authorization": f"Bearer {key}"})
    return [one["tag"] for one in answer.json()["groups"]]


def answer_of(done: subprocess.CompletedProcess[str], code: int = 0) -> dict[str, Any]:
    """The one document on standard output."""
    assert code == done.returncode, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@contextlib.contextmanager
def planted(stack: KillableStack, plant: str, remove: str) -> Iterator[None]:
    """A fault in the deployment's database, for as long as the block."""
    run_apart(execute(stack.postgres_url, plant))
    try:
        yield
    finally:
        run_apart(execute(stack.postgres_url, remove))


def test_a_good_deployment_is_found_good(service: Service) -> None:
    """Over Supabase's API, with both keys; the document has all that is promised, and nobody is left behind."""
    done = fire(
        service.url, *QUICKLY, "--seed", "7", secret=WEBHOOK_SECRET, key=OPERATOR_KEY, CREDENCE_SERVICE_KEY=SERVICE_KEY
    )
    report = answer_of(done)
    assert {
        "verdict", "target", "seed", "schedule", "stories", "tags", "seconds", "deliveries", "answers", "outcomes",
        "latency_ms", "accounts", "complaints", "left_out", "left_behind",
    } == report.keys()  # fmt: skip
    assert ("good", service.url, "0x7", []) == tuple(
        report[name] for name in ("verdict", "target", "seed", "complaints")
    )
    deliveries, answers = report["deliveries"], report["answers"]
    assert deliveries["planned"] == deliveries["finished"] > 100
    assert deliveries["requests"] == deliveries["planned"] + deliveries["repeated"]
    assert {"200"} == answers["well_signed"].keys()
    assert {"400"} == answers["badly_signed"].keys()
    assert {"p50", "p90", "p99", "max"} == report["latency_ms"].keys()
    assert (20, []) == (report["accounts"]["checked"], report["accounts"]["wrong"])
    assert report["accounts"]["looked_at_meanwhile"] > 0
    assert {"applied", "nothing_new"} <= report["outcomes"].keys()
    assert not set(report["tags"]) & set(listed_tags(service.url, OPERATOR_KEY))


def test_a_person_is_shown_progress_and_a_verdict(stack: KillableStack) -> None:
    """Plain lines on standard error while it goes on; tables and a sentence on standard output; no secret in either."""
    done = fire_at(stack, "--rate", "30", "--customers", "8")
    assert 0 == done.returncode, done.stderr
    for word in ("making 8 synthetic users", "deliveries,", "reading the verdict back", "removed the synthetic users"):
        assert word in done.stderr
    verdict = "OK: all 8 balances match their customers' purchases, refunds and disputes."
    for word in ("Answers", "latency in ms: p50", verdict):
        assert word in done.stdout
    for secret in (stack.secret, stack.operator_key):
        assert secret not in done.stdout + done.stderr


SELLING = (
    "packs around a push",
    "renewal after a push",
    "switched in the portal",
    "switched with the next period",
    "charged off session",
    "charge refunded",
)


def test_selling_is_fired(stack: KillableStack) -> None:
    """Purchases around a push, switches in the portal and charges of saved cards; each balance is right."""
    stories = [word for story in SELLING for word in ("--story", story)]
    report = answer_of(fire_at(stack, *QUICKLY, "--customers", "6", *stories))
    assert ("good", 6, []) == (report["verdict"], report["accounts"]["checked"], report["accounts"]["wrong"])
    assert set(SELLING) == set(report["stories"])


FAULTS = {
    "a balance is written past the ledger": (
        """
        create function public.fault() returns trigger language plpgsql as $$
        begin new.credits_balance := new.credits_balance + 1; return new; end $$;
        create trigger fault before update of credits_balance on public.users
            for each row execute function public.fault();
        """,
        "drop function public.fault() cascade",
    ),
    "a refund takes nothing back": (
        """
        create function public.fault() returns trigger language plpgsql as $$
        begin return case when new.kind = 'clawback' then null else new end; end $$;
        create trigger fault before insert on public.credit_transactions
            for each row execute function public.fault();
        """,
        "drop function public.fault() cascade",
    ),
    "some events are refused for good": (
        """
        create function public.fault() returns trigger language plpgsql as $$
        begin raise exception 'no such events here'; end $$;
        create trigger fault before insert on public.webhook_events for each row
            when (new.type = 'charge.dispute.closed') execute function public.fault();
        """,
        "drop function public.fault() cascade",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_deployment_is_found_bad(stack: KillableStack, fault: str) -> None:
    """It exits 1 and names the accounts or the events; the users are removed all the same."""
    plant, remove = FAULTS[fault]
    with planted(stack, plant, remove):
        report = answer_of(fire_at(stack, *QUICKLY, "--customers", "17", "--patience", "2", "--attempts", "3"), 1)
    assert "bad" == report["verdict"]
    assert report["accounts"]["wrong"] or report["complaints"]
    wrong = report["accounts"]["wrong"]
    reported_of_each = {"customer", "expected", "balance", "entries", "complaints"}
    assert [reported_of_each] * len(wrong) == [one.keys() for one in wrong]
    if fault == "some events are refused for good":
        assert [] != [complaint for complaint in report["complaints"] if "was never accepted" in complaint]
    elif fault == "a balance is written past the ledger":
        # The service goes by the entries: what somebody else wrote into the row shows in the consistency check.
        assert [] != [complaint for complaint in report["complaints"] if "balance_differs_from_ledger" in complaint]
    else:
        assert wrong
    assert [] == listed_tags(stack.url, stack.operator_key)


def test_the_wrong_secret_is_reported(stack: KillableStack) -> None:
    """Before any user is made."""
    done = fire(stack.url, secret="whsec_of_another_endpoint", key=stack.operator_key)
    assert 2 == done.returncode
    assert "rejects our signature" in done.stderr
    assert "whsec_of_another_endpoint" not in done.stdout + done.stderr


@pytest.mark.parametrize("key", ["not-the-operators-key-at-all", "service-key-of-the-simulated-backend"])
def test_the_wrong_key_is_reported(stack: KillableStack, key: str) -> None:
    """A guessed one, and the backend's."""
    done = fire(stack.url, secret=stack.secret, key=key)
    assert (2, True) == (done.returncode, "refuses our key" in done.stderr)
    assert key not in done.stdout + done.stderr


@pytest.fixture
def deployment(new_database: Callable[[], str], redis_url: str, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Starts a deployment with settings of its own; gives its address."""
    with contextlib.ExitStack() as ends:

        def start(**settings: str) -> str:
            port = free_port()
            url, log = f"http://127.0.0.1:{port}", tmp_path / "log"
            base = {
                "PATH": os.environ["PATH"],
                "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
                "SUPABASE_DB_URL": new_database(),
                "REDIS_URL": redis_url,
                "CREDENCE_PORT": str(port),
                "CREDENCE_OPERATOR_KEY": OPERATOR_KEY,
                "CREDENCE_RECONCILE_MINUTES": "0",
            }
            ends.enter_context(serving({**base, **settings}, log))
            wait_until_ready(url, log)
            return url

        yield start


def test_a_live_deployment_is_left_alone(deployment: Callable[..., str]) -> None:
    """Not even an event is sent to it."""
    url = deployment(STRIPE_SECRET_KEY="sk_live_of_nobody", CREDENCE_PUBLIC_URL="https://credits.example.test")
    done = fire(url, secret=WEBHOOK_SECRET, key=OPERATOR_KEY)
    assert (2, True) == (done.returncode, "live mode" in done.stderr)
    events = httpx.get(f"{url}/ops/events", headers={"Authorization": f"Bearer {OPERATOR_KEY}"}).json()["events"]
    assert [] == events


def test_a_deployment_that_believes_forgeries_is_reported(deployment: Callable[..., str]) -> None:
    """One that takes the secret of somebody else as its own."""
    url = deployment(STRIPE_SECRET_KEY="sk_test_of_nobody", STRIPE_WEBHOOK_SECRET=f"{WEBHOOK_SECRET},{OTHER_SECRET}")
    done = fire(url, secret=WEBHOOK_SECRET, key=OPERATOR_KEY)
    assert (2, True) == (done.returncode, "does not check signatures" in done.stderr)
    assert [] == listed_tags(url, OPERATOR_KEY)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_is_interrupted_cleans_up(stack: KillableStack, number: signal.Signals) -> None:
    """In the middle of the load: what is under way is answered, the users are removed, and it says so by its code."""
    running = subprocess.Popen(
        command("--target", stack.url, "--rate", "10", "--customers", "40"),
        cwd=ROOT,
        env=environment(stack.secret, stack.operator_key),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with running as process:
        assert process.stderr is not None
        assert process.stdout is not None
        line = next(line for line in process.stderr if "requests," in line)
        assert 1 == len(listed_tags(stack.url, stack.operator_key)), line
        process.send_signal(number)
        rest = process.stderr.read()
        shown = process.stdout.read()
    assert 130 == process.returncode, rest
    assert "removed the synthetic users" in rest
    assert "Interrupted: no verdict." in shown
    assert [] == listed_tags(stack.url, stack.operator_key)


def test_what_was_left_behind_can_be_removed_later(stack: KillableStack) -> None:
    """By its tag."""
    headers = {"Authorization": f"Bearer {stack.operator_key}"}
    left = {"tag": "fire-left-behind", "count": 3}
    assert 201 == httpx.post(f"{stack.url}/ops/synthetic-users", json=left, headers=headers).status_code
    done = fire_at(stack, "--clean-up", "fire-left-behind")
    assert (0, "") == (done.returncode, done.stdout)
    assert [] == listed_tags(stack.url, stack.operator_key)


def test_a_saved_schedule_is_fired_again(stack: KillableStack, tmp_path: Path) -> None:
    """As often as one likes, also where it was fired before; the deliveries are the same ones."""
    file = tmp_path / "schedule.json"
    first = answer_of(fire_at(stack, *QUICKLY, "--customers", "10", "--seed", "0xc0ffee", "--save", str(file)))
    second = answer_of(fire_at(stack, *QUICKLY, "--replay", str(file)))
    assert ("good", "good", str(file)) == (first["verdict"], second["verdict"], second["schedule"])
    assert first["deliveries"]["planned"] == second["deliveries"]["planned"]
    assert first["answers"] == second["answers"]
    assert (10, []) == (second["accounts"]["checked"], second["accounts"]["wrong"])
    other_tags = set(first["tags"]) & set(second["tags"])
    assert set() == other_tags


def test_a_schedule_of_another_catalogue_is_reported(stack: KillableStack, tmp_path: Path) -> None:
    """Its payments would wait at the target for a person."""
    file = tmp_path / "schedule.json"
    answer_of(fire_at(stack, *QUICKLY, "--customers", "1", "--story", "purchase", "--save", str(file)))
    schedule = json.loads(file.read_text())
    schedule["plans"][0]["credits"] += 1
    file.write_text(json.dumps(schedule))
    done = fire_at(stack, "--replay", str(file))
    assert (2, True) == (done.returncode, "Replay it on a deployment with the same catalogue" in done.stderr)


def test_stories_without_a_plan_are_left_out(deployment: Callable[..., str], tmp_path: Path) -> None:
    """Where no subscription is for sale, all the others are reported; one that is asked for by name is missed."""
    plans = tmp_path / "plans.toml"
    plans.write_text('[plans.solo]\nname = "Solo"\ncredits = 7\nprice = 333\ncurrency = "eur"\n')
    url = deployment(
        STRIPE_SECRET_KEY="sk_test_of_nobody", CREDENCE_PLANS=str(plans), STRIPE_API_BASE="http://127.0.0.1:9"
    )
    done = fire(url, *QUICKLY, secret=WEBHOOK_SECRET, key=OPERATOR_KEY)
    of_packs = {story.name for story in STORIES.values() if story.mode == "payment"}
    assert of_packs == set(answer_of(done)["stories"])
    assert f"Skipped: no matching plan for {', '.join(sorted(STORIES.keys() - of_packs))}." in done.stderr
    named = fire(url, "--story", "renewal", secret=WEBHOOK_SECRET, key=OPERATOR_KEY)
    assert (2, True) == (named.returncode, "sells no plan for: renewal" in named.stderr)


def test_it_goes_on_with_new_customers(stack: KillableStack) -> None:
    """For as long as it should; each round has users of its own, and all are removed."""
    for seconds in ("1", "5", "25"):
        report = answer_of(fire_at(stack, *QUICKLY, "--customers", "5", "--duration", seconds))
        if len(report["tags"]) > 1:
            break  # a machine may be so slow that the first round takes all of the time
    assert len(report["tags"]) > 1
    assert 5 * len(report["tags"]) == report["accounts"]["checked"]
    assert [] == listed_tags(stack.url, stack.operator_key)


def test_the_probe_is_kept_as_somebody_elses(stack: KillableStack) -> None:
    """The event that tries the secret moves nothing: it is stored, and ignored."""
    answer_of(fire_at(stack, *QUICKLY, "--customers", "1", "--story", "purchase"))
    headers = {"Authorization": f"Bearer {stack.operator_key}"}
    events = httpx.get(f"{stack.url}/ops/events?status=ignored&limit=200", headers=headers).json()["events"]
    assert PROBE in {event["type"] for event in events}


def test_a_stack_of_its_own_is_killed_and_judged(tmp_path: Path) -> None:
    """It sells what the schedule sells, odd prices too; what dies is reported; what can't be done is left out."""
    odd = Plan(id="odd", credits=7, price=333, currency="eur")
    stories = tuple(story for story in STORIES.values() if story.mode == "payment")
    schedule = load_schedule(stories, (odd,), count=20, seed=5, kills=KILLABLE)
    inside = (Work(task="w1", on="a", job="outbox"), Advance(task="w1"), Wait(seconds=3600))
    file = tmp_path / "schedule.json"
    save(attrs.evolve(schedule, steps=(*schedule.steps, *inside)), file)
    done = subprocess.run(
        command("--stack", "--replay", str(file), *QUICKLY),
        cwd=ROOT,
        env=environment("", ""),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    report = answer_of(done)
    assert ("good", 3, 20) == (report["verdict"], report["left_out"], report["accounts"]["checked"])
    for word in ("crash", "break cache", "mend cache", "break ledger", "mend ledger"):
        assert word in done.stderr
    assert report["deliveries"]["repeated"] > 0
