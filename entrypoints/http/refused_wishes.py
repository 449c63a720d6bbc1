"""Answers to wishes that a checkout can't fulfil: a quantity, an amount or a currency in which a plan is not sold."""

from collections.abc import Mapping
from http import HTTPStatus

from domain.decisions.quotes import AmountIsFixed, AmountRefused, CurrencyRefused, QuantityRefused

REFUSED_WISHES: Mapping[type[Exception], tuple[HTTPStatus, str, str]] = {
    QuantityRefused: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-quantity",
        "The quantity of this plan must be between {0.least} and {0.most}.",
    ),
    AmountRefused: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-amount",
        "The buyer chooses the amount of this plan: it must be between {0.least} and {0.most} minor units of "
        "{0.currency}.",
    ),
    AmountIsFixed: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-amount",
        "This plan has a fixed price; leave the amount out.",
    ),
    CurrencyRefused: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-currency",
        "This plan is not sold in that currency; GET /plans lists its prices.",
    ),
}
"""The status, the stable name and the detail of each error, like those of `problems`."""
