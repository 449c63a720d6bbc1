"""Diagnoses a deployment: turns what was found out about it into findings, good or bad, with remedies."""

import enum

import attrs


class Verdict(enum.StrEnum):
    """The rating of a finding."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    BAD = "bad"


class ConnectionKind(enum.StrEnum):
    """The kind of connection between a process and its database."""

    DIRECT = "a direct connection"
    SESSION_POOLER = "a session pooler"
    TRANSACTION_POOLER = "a transaction pooler"
    API = "an HTTP API"


@attrs.frozen
class Diagnosis:
    """A finding: what was checked, what was seen, and what to do if it is not good."""

    subject: str
    verdict: Verdict
    seen: str
    remedy: str | None = None


@attrs.frozen(kw_only=True)
class WebhookEndpoint:
    """A webhook endpoint registered with the provider; `events` is `*` alone if it receives all."""

    url: str
    is_enabled: bool
    events: frozenset[str]
    api_version: str | None
    livemode: bool


@attrs.frozen(kw_only=True)
class SchemaFacts:
    """Facts about the ledger's schema; every tuple but `migrations` lists what should not exist."""

    role: str
    migrations: tuple[str, ...]
    unguarded_tables: tuple[str, ...]
    writable_tables: tuple[str, ...]
    readable_views: tuple[str, ...]
    """Views over the ledger's tables that users may select and that run with their owner's rights: `role: view`."""
    writable_columns: tuple[str, ...]
    readable_by_anon: tuple[str, ...]
    callable_functions: tuple[str, ...]
    trail_is_guarded: bool


def diagnose_endpoints(
    endpoints: tuple[WebhookEndpoint, ...], *, wanted_url: str, livemode: bool, wanted_events: frozenset[str]
) -> tuple[Diagnosis, ...]:
    """Return findings about whether the provider delivers all needed events to the service's address."""
    subject = "webhook endpoint"
    ours = [one for one in endpoints if one.url.rstrip("/") == wanted_url]
    if not ours:
        others = ", ".join(sorted(one.url for one in endpoints)) or "none"
        seen = f"no endpoint delivers to {wanted_url}; existing endpoints: {others}"
        remedy = f"Add {wanted_url} under Developers, Webhooks, or set CREDENCE_PUBLIC_URL to the service's address."
        return (Diagnosis(subject, Verdict.BAD, seen, remedy),)
    found: list[Diagnosis] = []
    for one in ours:
        found.append(_diagnose_endpoint(one, livemode=livemode, wanted_events=wanted_events))
        version = one.api_version or "the account's default"
        found.append(
            Diagnosis("API version of events", Verdict.GOOD, f"{version}; every version since 2017 is supported")
        )
    if len(ours) > 1:
        seen = f"{len(ours)} endpoints deliver to {wanted_url}: each event arrives {len(ours)} times"
        found.append(
            Diagnosis(subject, Verdict.DOUBTFUL, seen, "Nothing is credited twice, but delete all except one.")
        )
    return tuple(found)


def diagnose_schema(facts: SchemaFacts, *, wanted_migrations: tuple[str, ...]) -> tuple[Diagnosis, ...]:
    """Return findings about whether the schema is complete and protected from unauthorised writes."""
    missing = [version for version in wanted_migrations if version not in facts.migrations]
    migrate = "Run `credence migrate` or `supabase db push --remote`."
    trail = None if facts.trail_is_guarded else "entries can be changed: the trigger is missing or disabled"
    return (
        _listed("migrations", missing, "all applied", "not applied: ", migrate),
        _listed(
            "row level security",
            facts.unguarded_tables,
            "on for every table",
            "off for ",
            "Run `alter table public.… enable row level security`; without it, only privileges limit who can read it.",
        ),
        _listed(
            "privileges on tables",
            (*facts.writable_tables, *(f"anon can read {name}" for name in facts.readable_by_anon)),
            "only the ledger's functions write it, anon cannot read it",
            "excessive: ",
            "Revoke them; the last statements in the migrations show how.",
        ),
        _listed(
            "views",
            facts.readable_views,
            "none shows users other users' rows",
            "row level security does not apply to ",
            "Run `alter view … set (security_invoker = true)`, or revoke select on it, as on a materialized view.",
        ),
        _listed(
            "privileges on credits",
            facts.writable_columns,
            "only the ledger writes balances",
            "users can write ",
            "Revoke insert and update on these columns of public.users from anon and authenticated.",
        ),
        _listed(
            "privileges on functions",
            facts.callable_functions,
            "only service_role can call them",
            "callable by others: ",
            "Revoke execute on them from public, anon and authenticated.",
        ),
        Diagnosis("audit trail", Verdict.BAD, trail, migrate)
        if trail
        else Diagnosis("audit trail", Verdict.GOOD, "protected from changes"),
    )


def diagnose_left_over(plans: tuple[str, ...]) -> Diagnosis:
    """Return the finding that plans are for sale at the provider which the catalogue does not have."""
    remedy = "Put them back into the catalogue with `retired = true` and push: their renewals need them there, too."
    seen = f"for sale at Stripe, but not in the catalogue: {', '.join(plans)}"
    return Diagnosis("plans at Stripe", Verdict.DOUBTFUL, seen, remedy)


def _diagnose_endpoint(one: WebhookEndpoint, *, livemode: bool, wanted_events: frozenset[str]) -> Diagnosis:
    subject = "webhook endpoint"
    if not one.is_enabled:
        remedy = "Enable it under Developers, Webhooks; then `credence reconcile --since 3d`."
        return Diagnosis(subject, Verdict.BAD, f"{one.url} is disabled: Stripe delivers nothing", remedy)
    if one.livemode is not livemode:
        mode, key = ("live", "test") if one.livemode else ("test", "live")
        remedy = "Set STRIPE_SECRET_KEY and the endpoint's secret from the same mode."
        return Diagnosis(subject, Verdict.BAD, f"the endpoint is in {mode} mode, the key in {key} mode", remedy)
    missing = sorted(wanted_events - one.events) if "*" not in one.events else []
    if missing:
        seen = f"{len(missing)} events are not delivered: {', '.join(missing)}"
        return Diagnosis(
            subject, Verdict.BAD, seen, "Add them to the endpoint; until then only reconciliation finds them."
        )
    return Diagnosis(subject, Verdict.GOOD, f"{one.url} receives all needed events")


def _listed(subject: str, wrong: tuple[str, ...] | list[str], good: str, bad: str, remedy: str) -> Diagnosis:
    if not wrong:
        return Diagnosis(subject, Verdict.GOOD, good)
    return Diagnosis(subject, Verdict.BAD, bad + ", ".join(wrong), remedy)
