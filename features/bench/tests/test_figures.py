"""What a figure says of its limit, its goal and its rounds, and that nothing that ended nothing breaks it."""

import json

from features.bench.callers import alternating, keep_asking
from features.bench.figures import Figure, latency_of, plot, print_table
from features.bench.mechanisms.comparing import COMPLETE, comparisons
from features.bench.mechanisms.cpu import Slice


def of_rounds(*rounds: float, goal: float | None = 0.5) -> Figure:
    return Figure(
        name="CPU", figure=4.0, unit="us", limit=10.0, goal=goal, smaller_is_better=True, rounds=tuple(rounds)
    )


def test_without_rounds_the_ratio_is_that_to_the_limit() -> None:
    figure = of_rounds()

    assert (0.4, None, True) == (figure.ratio, figure.spread, figure.is_met)


def test_the_ratio_is_the_median_of_the_pairs_and_not_that_of_the_medians() -> None:
    assert 0.44 == of_rounds(0.45, 0.43, 0.44).ratio


def test_the_spread_is_how_far_the_rounds_lie_apart_in_parts_of_their_median() -> None:
    figure = of_rounds(0.50, 0.48, 0.52, goal=0.6)

    assert figure.spread is not None
    assert (0.08, True) == (round(figure.spread, 3), figure.is_met)
    assert "judges" not in json.loads(figure.as_json())


def test_rounds_more_than_a_tenth_apart_judge_nothing_and_say_so() -> None:
    figure = of_rounds(0.40, 0.38, 0.43)
    line = json.loads(figure.as_json())

    assert figure.is_met is None
    assert (0.125, "nothing: the spread is above a tenth") == (line["spread"], line["judges"])
    assert "met" not in line


def test_two_rounds_judge_nothing_though_they_agree() -> None:
    line = json.loads(of_rounds(0.4, 0.4).as_json())

    assert (0, "nothing: there are fewer than three rounds") == (line["spread"], line["judges"])
    assert "met" not in line


def test_one_round_has_no_spread() -> None:
    assert of_rounds(0.4).spread is None


def test_rounds_of_nothing_have_no_spread() -> None:
    assert of_rounds(0.0, 0.0).spread is None


def test_durations_of_nothing_that_ended_are_at_least_as_long_as_was_waited() -> None:
    assert (2000, 2000) == (latency_of([], at_least=2.0).p50, latency_of([], at_least=2.0).p99)


async def test_callers_none_of_whom_is_answered_in_time_come_to_a_rate_of_nothing() -> None:
    async def answer() -> None:
        pass

    measured = await keep_asking(answer, callers=3, seconds=0)

    assert 0 == measured.rate


async def test_two_calls_in_turns_without_any_time_come_to_a_rate_of_nothing() -> None:
    async def answer() -> None:
        pass

    assert [0, 0] == [measured.rate for measured in await alternating(answer, answer, seconds=0)]


def test_slices_in_which_nothing_was_done_are_told_and_not_compared() -> None:
    nothing = [Slice(rate=0, cpu=0)]

    figures = list(comparisons("a load", {COMPLETE: nothing, "a part": nothing}))

    assert ["with it nothing was done"] * 2 == [figure.note for figure in figures]
    assert [None, None] == [figure.ratio for figure in figures]
    print_table(figures)
    assert plot(figures).startswith("<svg")
