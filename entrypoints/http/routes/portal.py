"""`POST /portal`: the way to the page where users manage their subscriptions, cards and invoices."""

import attrs
from litestar import post
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from entrypoints.auth.authenticator import SignedInUser
from entrypoints.http.openapi import problem_responses
from entrypoints.services import Services


@attrs.frozen
class OpenedPortal:
    """The address of the portal. It signs its user in for a few minutes, so it must not be shown to anybody else."""

    url: str = attrs.field(repr=False)


@post("/portal", tags=["Portal"], responses=problem_responses(400, 401, 403, 404, 408, 409, 413, 429, 502, 503))
async def open_portal(
    services: NamedDependency[SkipValidation[Services]], caller: NamedDependency[SkipValidation[SignedInUser]]
) -> OpenedPortal:
    """Open Stripe's portal for the signed-in user.

    There they see their invoices, change their card and address, cancel a subscription or switch to another plan.
    """
    await services.limits.checkouts.admit(caller.user_id)
    return OpenedPortal(url=await services.portal.open(caller.user_id, email=caller.email))
