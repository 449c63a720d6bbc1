"""How the CPU of requests is reported: ratios of pairs, parts, and what was left undone."""

import asyncio
import itertools
from pathlib import Path

import pytest

from features.bench.cpu.builds import Build, BuildNotSetUp
from features.bench.cpu.deployments import Spent
from features.bench.cpu.per_request import OTHER, OWN, RIVAL, ROWS, figures_of, parts_of, ratios_of
from features.bench.http_load import UnexpectedAnswer, send_all

REQUEST = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"


def test_the_ratios_are_those_of_pairs_of_the_same_round() -> None:
    assert (0.5, 2.0) == ratios_of([1, 8], [2, 4])


def test_a_round_in_which_the_other_took_nothing_has_no_ratio() -> None:
    assert (0.5,) == ratios_of([1, 8], [2, 0])


def test_parts_are_told_at_the_median_with_the_messages_that_were_left() -> None:
    spent = [Spent(micros={"service": 100 * n, "Redis": 0.2}, undelivered=n) for n in (1, 2, 3)]

    assert "limit: service 200 (3 messages were not delivered in time)" == parts_of(spent, of="limit: ")


def test_a_row_stands_beside_its_rival_and_beside_the_other_checkout() -> None:
    found = {
        name: [Spent(micros={"service": micros})] * 3 for name, micros in ((OWN, 300.0), (OTHER, 600.0), (RIVAL, 200.0))
    }

    figures = list(figures_of(ROWS[0], found))

    assert [1.5, 0.5] == [figure.ratio for figure in figures]
    assert ["CPU of a webhook over Postgres", f"CPU of a webhook over Postgres, against {OTHER}"] == [
        figure.name for figure in figures
    ]


def test_a_row_without_a_rival_has_the_spread_of_its_own_figures() -> None:
    found = {OWN: [Spent(micros={"service": micros}) for micros in (100.0, 110.0, 90.0)]}

    (figure,) = figures_of(ROWS[1], found)

    assert (100.0, None, 0.2) == (figure.figure, figure.ratio, figure.spread)


def test_rows_stand_together_by_transport_so_that_each_is_deployed_once() -> None:
    transports = [transport for transport, _ in itertools.groupby(ROWS, lambda row: row.transport)]

    assert ["Postgres", "Supabase"] == transports


def test_a_checkout_that_is_not_set_up_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BuildNotSetUp, match="make check"), Build(tmp_path).running("serve", {}, tmp_path / "log"):
        pass


async def answer_with(status: str, sent: list[bytes]) -> asyncio.Server:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(1000):
            sent.append(head)
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok".encode())
        writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", 0)


async def test_each_request_is_sent_once_however_many_connections_there_are() -> None:
    sent: list[bytes] = []
    async with await answer_with("200 OK", sent) as server:
        port = server.sockets[0].getsockname()[1]

        await send_all(f"http://127.0.0.1:{port}", iter([REQUEST] * 5), connections=3)
        await send_all(f"http://127.0.0.1:{port}", iter([REQUEST]), connections=3)

    assert [REQUEST] * 6 == sent


async def test_an_answer_that_is_no_success_ends_the_load_with_what_was_said() -> None:
    async with await answer_with("503 Busy", []) as server:
        port = server.sockets[0].getsockname()[1]

        with pytest.raises(UnexpectedAnswer, match="503 Busy"):
            await send_all(f"http://127.0.0.1:{port}", iter([REQUEST]), connections=1)
