"""Options of a plan's checkout: what it asks of the buyer, and what it offers them."""

import enum

import attrs

MAX_QUANTITY = 999_999
"""The largest quantity that a buyer may choose on Stripe's page."""


class TaxBehavior(enum.StrEnum):
    """The way in which a price is taxed: it includes the tax, or the tax is added."""

    INCLUSIVE = "inclusive"
    EXCLUSIVE = "exclusive"


class TaxIds(enum.StrEnum):
    """The cases in which the buyer is asked for a tax id."""

    NEVER = "never"
    OPTIONAL = "optional"
    REQUIRED = "required"
    """Required where Stripe can ask for one: it depends on the buyer's country."""


class Ui(enum.StrEnum):
    """The place where the buyer pays: on Stripe's page, or inside of one's own."""

    HOSTED = "hosted"
    EMBEDDED = "embedded"


@attrs.frozen(kw_only=True)
class Quantity:
    """The limits of how many of a plan one checkout may sell."""

    least: int = 1
    most: int
    adjustable: bool = False
    """Whether the buyer may change the quantity on Stripe's page."""


@attrs.frozen(kw_only=True)
class CheckoutOptions:
    """The options of a checkout; None leaves the matter to the Stripe account's own settings."""

    promotion_codes: bool = False
    automatic_tax: bool = False
    tax_behavior: TaxBehavior | None = None
    tax_code: str | None = None
    billing_address: bool = False
    """Whether the billing address is always asked for, rather than where the payment needs it."""
    tax_ids: TaxIds = TaxIds.NEVER
    terms_of_service: bool = False
    """Whether the buyer must agree to the terms whose address is in the Stripe account's public details."""
    invoice: bool | None = None
    """Whether a one-time sale makes an invoice; None: it does, unless payments are managed."""
    locale: str | None = None
    ui: Ui = Ui.HOSTED
    managed_payments: bool = False
    """Whether Stripe sells as the merchant of record."""

    @property
    def makes_invoice(self) -> bool:
        """Return whether a one-time sale makes an invoice; with managed payments, Stripe sends its own receipt."""
        return not self.managed_payments if self.invoice is None else self.invoice
