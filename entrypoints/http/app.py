"""The HTTP application: its routes, and the lifetime of what they need."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager

from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.plugins import PluginProtocol
from litestar.plugins.attrs import AttrsSchemaPlugin
from litestar.plugins.core import MsgspecDIPlugin

from entrypoints.http.dependencies import caller_of, services_of
from entrypoints.http.guarding import GuardedRoutes, guard
from entrypoints.http.openapi import SECURITY_SCHEMES
from entrypoints.http.problems import problems_plugin, unexpected
from entrypoints.http.request_bodies import JsonRequest
from entrypoints.http.routes.checkout import follow_checkout, start_checkout
from entrypoints.http.routes.explanation import explain_account
from entrypoints.http.routes.health import is_alive, is_ready
from entrypoints.http.routes.holds import hold_handlers
from entrypoints.http.routes.low_balance import set_low_balance
from entrypoints.http.routes.ops_accounts import account_handlers
from entrypoints.http.routes.ops_grants import gift_handlers
from entrypoints.http.routes.ops_inbox import inbox_handlers
from entrypoints.http.routes.ops_synthetic_users import synthetic_user_handlers
from entrypoints.http.routes.payments import charge_saved_card
from entrypoints.http.routes.plans import list_plans
from entrypoints.http.routes.portal import open_portal
from entrypoints.http.routes.quota import read_quota
from entrypoints.http.routes.subscriptions import subscription_handlers
from entrypoints.http.routes.transactions import list_transactions
from entrypoints.http.routes.usage import spend_credits
from entrypoints.http.routes.webhooks import receive_webhook
from entrypoints.pages.routes import page_handlers
from entrypoints.services import Services
from entrypoints.settings.settings import Settings
from entrypoints.telemetry import metrics
from entrypoints.telemetry.route_metrics import CountedRoutes, RouteMetrics
from entrypoints.worker import run_worker, watch_backlog

MAX_BODY_BYTES = 160 * 1024
"""The largest body in bytes that a request other than a webhook needs: its texts and metadata have at most 11,300
characters, and JSON may escape each as two escapes of six bytes.
"""


class _Application(Litestar):
    """Litestar without its plugins for Pydantic, which no model here needs.

    They import both of Pydantic's versions, 10 MB, where another package brings it, as `supabase` does. The method is
    Litestar's own: a test of what the service imports tells if it is no longer called.
    """

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin(), AttrsSchemaPlugin()]


def create_app(open_services: AbstractAsyncContextManager[Services], settings: Settings) -> Litestar:
    """Return the application, which opens its services at startup and closes them at shutdown."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncGenerator[None, None]:
        async with open_services as services:
            app.state.services = services
            metrics.begin(services.doctor.examiner.wanted_events)
            # Metrics are scraped from this process, wherever the worker runs.
            tasks = [asyncio.create_task(watch_backlog(services))]
            if settings.worker:
                tasks.append(asyncio.create_task(run_worker(services, reconcile_every=settings.reconcile_every)))
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)

    return _Application(
        route_handlers=[
            receive_webhook,
            start_checkout,
            follow_checkout,
            *subscription_handlers,
            open_portal,
            read_quota,
            list_transactions,
            explain_account,
            set_low_balance,
            charge_saved_card,
            spend_credits,
            *hold_handlers,
            *inbox_handlers,
            *account_handlers,
            *gift_handlers,
            *synthetic_user_handlers,
            list_plans,
            is_alive,
            is_ready,
            metrics.MetricsController,
            *page_handlers,
        ],
        dependencies={
            "services": Provide(services_of, sync_to_thread=False),
            "caller": Provide(caller_of, sync_to_thread=False),
        },
        request_class=JsonRequest,
        lifespan=[lifespan],
        cors_config=_cors(settings.allowed_origins),
        before_request=guard,
        plugins=[problems_plugin(), GuardedRoutes(), CountedRoutes()],
        middleware=[RouteMetrics],
        exception_handlers={Exception: unexpected},
        openapi_config=OpenAPIConfig(title="Credence", version="0.1.0", path="/schema", components=SECURITY_SCHEMES),
        request_max_body_size=MAX_BODY_BYTES,
        logging_config=None,
    )


def _cors(origins: tuple[str, ...]) -> CORSConfig | None:
    """Return the CORS settings: pages of other origins may call what signed-in users may, by access token only."""
    if not origins:
        return None
    return CORSConfig(
        allow_origins=list(origins),
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-Request-Id", "X-User-Id", "X-User-Email"],
        expose_headers=["Link", "Retry-After", "X-Request-Id"],
    )
