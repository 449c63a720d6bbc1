"""`/ops/consistency`, `/ops/accounts/{id}/sync`: find inconsistent accounts and repair them."""

import attrs
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, SkipValidation

from domain.upkeep.consistency import Inconsistency
from domain.usecases.audit_cache import Disagreement
from domain.usecases.read_account import Quota, QuotaSource, UnknownUser
from domain.values.accounts import parse_user_id
from entrypoints.http.openapi import problem_responses
from entrypoints.http.routes.quota import QuotaAnswer, quota_answer
from entrypoints.services import Services


@attrs.frozen(kw_only=True)
class Consistency:
    """The discrepancies within the ledger, and between Redis and the ledger."""

    consistent: bool
    ledger: tuple[Inconsistency, ...]
    cache: tuple[Disagreement, ...]


@get("/ops/consistency", tags=["Operators"], responses=problem_responses(400, 401, 403, 503))
async def check_consistency(services: NamedDependency[SkipValidation[Services]]) -> Consistency:
    """Check the ledger, and Redis against the ledger. This reads every entry: do not run it every minute."""
    report = await services.auditor.report()
    return Consistency(consistent=report.consistent, ledger=report.ledger, cache=report.cache)


@post(
    "/ops/accounts/{user_id:str}/sync",
    status_code=200,
    tags=["Operators"],
    responses=problem_responses(400, 401, 403, 404, 503),
)
async def sync_account(user_id: FromPath[str], services: NamedDependency[SkipValidation[Services]]) -> QuotaAnswer:
    """Recompute an account's balance from its ledger entries, and write it to Redis."""
    named = parse_user_id(user_id)
    account = await services.auditor.sync(named)
    if account is None:
        raise UnknownUser(named)
    return quota_answer(Quota(account, QuotaSource.LEDGER))


account_handlers = (check_consistency, sync_account)
