"""Admission: the checks that a reported sale must pass to become an order.

A sale that fails a check is parked with its reason, never dropped: money may have been paid.
"""

import enum
import math
from datetime import UTC, datetime, timedelta

import attrs

from domain.payments.carts import Cart, value_items
from domain.payments.invoices import Bill, LineKind
from domain.payments.line_terms import Undecidable
from domain.payments.promises import is_sold_in_currency, promised_terms
from domain.payments.purchases import Order, OrderRank
from domain.payments.reports import Attribution, InboxEvent, SaleReport, SubscriptionReport
from domain.payments.subscriptions import Subscriber
from domain.values.accounts import Account, InvalidUserId, UserId, parse_user_id
from domain.values.plans import Catalogue, PlanId, PlanMode

SALE_DATE_MAX = datetime(9000, 1, 1, tzinfo=UTC)
"""The latest accepted date of a sale: after it, the calendar would have no room for the credits' expiry."""


class ParkReason(enum.StrEnum):
    """A reason for which an event cannot be applied yet."""

    LIVEMODE_DISAGREES = "livemode_disagrees"
    CONNECTED_ACCOUNT = "connected_account"
    NO_USER_NAMED = "no_user_named"
    USER_NOT_A_UUID = "user_not_a_uuid"
    UNKNOWN_USER = "unknown_user"
    USER_DELETED = "user_deleted"
    EMAIL_DISAGREES = "email_disagrees"
    REFERENCE_UNCONFIRMED = "reference_unconfirmed"
    UNKNOWN_PLAN = "unknown_plan"
    MODE_DISAGREES = "mode_disagrees"
    CURRENCY_DISAGREES = "currency_disagrees"
    PRICE_DISAGREES = "price_disagrees"
    PLAN_AMBIGUOUS = "plan_ambiguous"
    SALE_WITHOUT_DATE = "sale_without_date"
    INCOMPLETE_INVOICE = "incomplete_invoice"
    UNREADABLE = "unreadable"


@attrs.frozen
class Refused:
    """A sale that cannot become an order yet."""

    reason: ParkReason
    about: str | None = None
    """Details, such as the id of a price."""


@attrs.frozen(kw_only=True)
class Confirmation:
    """An operator's decision about a parked event."""

    user_id: UserId
    plan_id: PlanId | None = None
    accepts_price: bool = False

    def of(self, attribution: Attribution) -> Attribution:
        """Return the attribution with the confirmed owner and plan in place of the reported ones."""
        return attrs.evolve(
            attribution,
            user_reference=self.user_id,
            email=None,
            client_reference=None,
            plan_id=self.plan_id or attribution.plan_id,
            terms=None if self.plan_id else attribution.terms,
            confirmed=True,
            accepts_price=self.accepts_price,
        )


def origin_mismatch(event: InboxEvent, *, livemode: bool, own_account: str | None = None) -> ParkReason | None:
    """Return why the event is not from our own account and mode, or None if it is.

    An event without an account is our own. One with an account is another's unless it names our own known id.
    """
    if event.livemode is not livemode:
        return ParkReason.LIVEMODE_DISAGREES
    if event.account is not None and event.account != own_account:
        return ParkReason.CONNECTED_ACCOUNT
    return None


def claimed_owner(attribution: Attribution) -> UserId | ParkReason:
    """Return the user named by our own metadata, or why there is none."""
    if attribution.user_reference is None:
        return ParkReason.NO_USER_NAMED if attribution.client_reference is None else ParkReason.REFERENCE_UNCONFIRMED
    try:
        return parse_user_id(attribution.user_reference)
    except InvalidUserId:
        return ParkReason.USER_NOT_A_UUID


def admit(sale: SaleReport, catalogue: Catalogue, account: Account | None) -> Order | Refused:
    """Return the sale's order for the account that it names, or why it is refused.

    Credits and price are those recorded when Credence created the session, otherwise those of the catalogue.
    """
    owner = _owner(sale.attribution, account)
    if isinstance(owner, Refused):
        return owner
    sold = _sold(sale, catalogue)
    if isinstance(sold, Refused):
        return sold
    if sold.lasts_days and (sale.sold_at is None or sale.sold_at > SALE_DATE_MAX):
        # Not the time of the report, which differs from one source to the next.
        return Refused(ParkReason.SALE_WITHOUT_DATE)
    return Order(
        user_id=owner,
        plan_id=sold.plan.id,
        credits=sold.credits,
        amount=sale.paid.amount,
        currency=sale.paid.currency,
        expires_at=sale.sold_at + timedelta(days=sold.lasts_days) if sale.sold_at and sold.lasts_days else None,
        lasts_days=sold.lasts_days,
        rank=OrderRank.CONFIRMED if sale.attribution.confirmed else sale.rank,
    )


def needs_items(sale: SaleReport, catalogue: Catalogue, account: Account | None) -> bool:
    """Return whether the checkout's amount differs from the plan's price, so that only its items show what was sold."""
    attribution = sale.attribution
    if sale.session_id is None or sale.items is not None or sale.lines is not None:
        return False
    if sale.is_over or isinstance(_owner(attribution, account), Refused):
        return False
    return not _is_decided(sale, catalogue)


def item_prices_to_ask(sale: SaleReport, catalogue: Catalogue) -> tuple[str, ...]:
    """Return the price ids of items that show neither plan nor metadata, if the items decide."""
    if not sale.items or _is_decided(sale, catalogue):
        return ()
    prices = (item.price for item in sale.items)
    asked = [
        price.id
        for price in prices
        if price.id is not None and not price.is_complete and catalogue.of_price(price.id) is None
    ]
    return tuple(dict.fromkeys(asked))


def _is_decided(sale: SaleReport, catalogue: Catalogue) -> bool:
    """Return whether the named plan settles the matter: its price was charged, or it cannot be what was sold."""
    attribution = sale.attribution
    plan = catalogue.find(attribution.plan_id) if attribution.plan_id is not None else None
    if plan is None:
        return False
    return plan.mode is not sale.mode or promised_terms(plan, sale) is not None


def admit_bill(sale: SaleReport, bill: Bill, account: Account | None) -> Order | Refused:
    """Return the order of a subscription's invoice for the account that it names, by its lines of plans, or why not."""
    owner = _owner(sale.attribution, account)
    if isinstance(owner, Refused):
        return owner
    main = max(bill.lines, key=lambda line: (line.kind is LineKind.PERIOD, line.amount, line.id))
    return Order(
        user_id=owner,
        plan_id=PlanId(main.plan_id),
        credits=math.floor(sum(line.worth for line in bill.lines)),
        amount=bill.total,
        currency=sale.paid.currency,
    )


def undecided(why: Undecidable, sale: SaleReport, catalogue: Catalogue) -> Refused:
    """Return why an invoice is parked that has a line whose worth is unclear."""
    attribution = sale.attribution
    plan = catalogue.find(attribution.plan_id) if attribution.plan_id is not None else None
    if plan is None and attribution.plan_id is not None:
        return Refused(ParkReason.UNKNOWN_PLAN)
    if plan is not None and plan.mode is not PlanMode.SUBSCRIPTION:
        return Refused(ParkReason.MODE_DISAGREES)
    if plan is not None and not is_sold_in_currency(plan, sale):
        return Refused(ParkReason.CURRENCY_DISAGREES)
    return Refused(ParkReason(why.reason), why.price_id)


def admit_subscriber(news: SubscriptionReport, catalogue: Catalogue, account: Account | None) -> Subscriber | Refused:
    """Return the subscription's terms; the price is checked on each invoice, since a trial's first one is free.

    If no plan is named, the lines of its invoices decide.
    """
    owner = _owner(news.attribution, account)
    if isinstance(owner, Refused):
        return owner
    plan = catalogue.find(news.attribution.plan_id) if news.attribution.plan_id is not None else None
    if plan is None and news.attribution.plan_id is not None:
        return Refused(ParkReason.UNKNOWN_PLAN)
    if plan is not None and plan.mode is not PlanMode.SUBSCRIPTION:
        return Refused(ParkReason.MODE_DISAGREES)
    return Subscriber(
        occurred_at=news.occurred_at,
        user_id=owner,
        plan_id=plan.id if plan is not None else None,
        terms=news.attribution.terms,
        confirmed=news.attribution.confirmed,
    )


def _owner(attribution: Attribution, account: Account | None) -> UserId | Refused:
    owner = claimed_owner(attribution)
    if isinstance(owner, ParkReason):
        return Refused(owner)
    if account is None or account.user_id != owner:
        return Refused(ParkReason.UNKNOWN_USER)
    claimed, known = attribution.email, account.email
    # Our own recorded terms come with a user id that we wrote: it decides alone, since the email may have changed.
    if attribution.terms is None and claimed and known and claimed.casefold() != known.casefold():
        return Refused(ParkReason.EMAIL_DISAGREES)
    return owner


def _sold(sale: SaleReport, catalogue: Catalogue) -> Cart | Refused:  # noqa: PLR0911 - one return per refusal
    attribution = sale.attribution
    plan = catalogue.find(attribution.plan_id) if attribution.plan_id is not None else None
    if plan is not None and sale.mode is not plan.mode:
        return Refused(ParkReason.MODE_DISAGREES)
    promised = promised_terms(plan, sale) if plan is not None else None
    if plan is not None and promised is not None:
        return Cart(plan=plan, credits=promised.credits, lasts_days=plan.expires_after_days)
    cart = value_items(sale.items or (), attribution, catalogue)
    if isinstance(cart, Undecidable):
        return Refused(ParkReason(cart.reason), cart.price_id)
    if cart is not None:
        return cart
    if plan is None:
        return Refused(ParkReason.UNKNOWN_PLAN)
    if not is_sold_in_currency(plan, sale):
        return Refused(ParkReason.CURRENCY_DISAGREES)
    return Refused(ParkReason.PRICE_DISAGREES)
