"""Searches for customers, which know what was made only a minute later, as Stripe's do."""

import re
from collections.abc import Mapping
from typing import Any

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.objects import Object
from simulators.stripe.requests.lists import MAX_PAGE, integer
from simulators.stripe.requests.parameters import refuse_unknown, require
from simulators.stripe.requests.refusals import invalid

LAG_SECONDS = 60

_CLAUSE = re.compile(
    r"""(?:metadata\[(?P<quote>['"])(?P<key>.{1,40})(?P=quote)\]|email):(?P<mark>['"])(?P<value>.*)(?P=mark)"""
)


def found_customers(account: StripeAccount, parameters: Mapping[str, Any]) -> Object:
    """Return the customers that a query like `metadata['a']:'b' AND email:'c'` finds, newest first.

    :raises Refusal: if Stripe would refuse the query.
    """
    refuse_unknown(parameters, ("limit", "page", "query"))
    require(parameters, "query")
    limit = integer(parameters.get("limit", "10"), "limit")
    if not 1 <= limit <= MAX_PAGE:
        raise invalid(f"Invalid integer: must be from 1 to {MAX_PAGE}", "limit")
    clauses = [_clause(one) for one in str(parameters["query"]).split(" AND ")]
    latest = account.now() - LAG_SECONDS
    found = [
        account.shown(one)
        for one in reversed(account.all_kept("customer"))
        if one["created"] <= latest and all(_value(one, key) == value for key, value in clauses)
    ]
    return {
        "object": "search_result",
        "data": found[:limit],
        "has_more": len(found) > limit,
        "next_page": None,
        "url": "/v1/customers/search",
    }


def _clause(text: str) -> tuple[str | None, str]:
    matched = _CLAUSE.fullmatch(text.strip())
    if matched is None:
        raise invalid("We were unable to parse your search query. See https://stripe.com/docs/search.", "query")
    return matched["key"], matched["value"]


def _value(customer: Object, key: str | None) -> str | None:
    found = customer["email"] if key is None else customer["metadata"].get(key)
    return None if found is None else str(found)
