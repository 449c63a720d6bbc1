"""Defines what customers may do in the portal, the page where they manage their subscriptions."""

import enum

import attrs

MAX_PRODUCTS = 10
"""The most products that Stripe lets a portal offer."""


class TrialsOnSwitch(enum.StrEnum):
    """The fate of a trial whose customer switches to another plan."""

    CONTINUE = "continue"
    END = "end"


@attrs.frozen(kw_only=True)
class PortalProduct:
    """A product to whose prices a customer may switch, by the provider's ids; order means nothing."""

    product_id: str
    price_ids: frozenset[str]


@attrs.frozen(kw_only=True)
class PortalSettings:
    """The part of a portal that a deployment decides; cards, addresses, invoices and cancelling are always offered."""

    products: frozenset[PortalProduct] = frozenset()
    """Without any, customers cannot switch."""
    downgrades_wait: bool = True
    """Whether a switch to less, or to a shorter interval, happens at the period's end."""
    trials: TrialsOnSwitch = TrialsOnSwitch.CONTINUE
    return_url: str | None = None
    """The address to which the portal's link back leads."""


@attrs.frozen(kw_only=True)
class PortalConfiguration:
    """A configuration as the provider has it."""

    id: str
    settings: PortalSettings
    ledger_id: str | None = None
    """The ledger whose deployment pushed it; None if somebody else made it."""
    is_default: bool = False
    """Whether sessions and links that name no configuration get it."""
    has_login_page: bool = False
    """Whether customers may also enter it by a shareable link."""
    is_standard: bool = True
    """Whether everything beside the settings is as Credence pushes it."""
