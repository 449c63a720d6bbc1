"""A deployment as the simulator of traffic sees it: of its plans, those that histories can buy."""

import json
from typing import Any

from simulators.fire.target import Target
from simulators.http.server import HttpServer, Request, Response


def plan(id_: str, **more: Any) -> dict[str, Any]:
    """A plan as `GET /plans` shows it."""
    sold = {"id": id_, "credits": 50, "price": 500, "currency": "usd", "mode": "payment", "interval": None}
    return {**sold, "name": id_, "amounts": [], "interval_count": 1, **more}


async def test_plans_of_amounts_and_of_longer_periods_are_left_alone() -> None:
    """Histories know fixed prices and whole intervals; a deployment of an earlier version shows neither key."""
    older = {key: value for key, value in plan("older").items() if key not in ("amounts", "interval_count")}
    quarterly = plan("quarterly", mode="subscription", interval="month", interval_count=3)
    body = json.dumps({"plans": [plan("pack"), plan("topup", amounts=[{"currency": "usd"}]), quarterly, older]})

    def answer(_: Request) -> Response:
        return Response(headers={"Content-Type": "application/json"}, body=body.encode())

    with HttpServer(answer) as server:
        async with Target(server.url, operator_key="a-key-of-nobody") as target:
            found = await target.plans()
    assert ["pack", "older"] == [one.id for one in found]
