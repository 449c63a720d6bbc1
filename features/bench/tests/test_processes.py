"""What `/proc` says of processes and of those that they started."""

import os
import socket
import subprocess
import sys

import pytest

from features.bench.processes import TICKS, Process, listening_on, parse_stat, running_processes, seconds_of, tree_of

STAT = "4211 (a (very) odd name) S 17 4211 4211 0 -1 4194560 1800 9000 0 1 250 50 30 20 20 0 5 0 8000 0 0"
BURN = "sum(range(10_000_000))"


def process(number: int, parent: int, *, own: float = 0, of_ended: float = 0) -> Process:
    return Process(id=number, parent=parent, own=own, of_ended=of_ended)


def by_id(*processes: Process) -> dict[int, Process]:
    return {one.id: one for one in processes}


def test_the_time_in_both_modes_is_read_behind_a_name_with_spaces_and_brackets() -> None:
    assert process(4211, 17, own=300 / TICKS, of_ended=50 / TICKS) == parse_stat(STAT)


def test_a_tree_is_the_root_with_its_children_and_theirs_and_nobody_else() -> None:
    processes = by_id(process(1, 0), process(5, 1), process(6, 5), process(7, 6), process(8, 1))

    assert {5, 6, 7} == tree_of([5], processes)


def test_the_time_of_a_tree_has_that_of_children_that_ended() -> None:
    processes = by_id(process(5, 1, own=1, of_ended=2), process(6, 5, own=4), process(8, 1, own=100))

    assert 7 == seconds_of([5], processes)


def test_roots_one_below_the_other_are_counted_once() -> None:
    assert 5 == seconds_of([5, 6], by_id(process(5, 1, own=1), process(6, 5, own=4)))


def test_a_root_that_no_longer_runs_is_an_error_and_not_no_time() -> None:
    with pytest.raises(ProcessLookupError, match=r"\[9\]"):
        seconds_of([5, 9], by_id(process(5, 1)))


def test_what_runs_here_is_found_with_its_parent_and_finer_than_in_ticks() -> None:
    own = running_processes()[os.getpid()]

    assert (os.getpid(), os.getppid()) == (own.id, own.parent)
    assert own.own * TICKS != int(own.own * TICKS)


def test_the_time_of_a_child_stays_with_its_parent_when_it_has_ended() -> None:
    before = seconds_of([os.getpid()], running_processes())

    subprocess.run([sys.executable, "-c", BURN], check=True)

    assert seconds_of([os.getpid()], running_processes()) - before > 1 / TICKS


def test_the_process_that_listens_on_a_port_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert os.getpid() == listening_on(listening.getsockname()[1])


def test_a_port_that_nobody_listens_on_is_an_error() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))

        with pytest.raises(ProcessLookupError):
            listening_on(silent.getsockname()[1])
