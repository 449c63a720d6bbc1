"""What Stripe would refuse of a checkout is refused with the catalogue, in words, and all of it at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
from stripe.params.checkout import _session_create_params as stripe_params

from domain.values.checkout_options import CheckoutOptions, Quantity, TaxBehavior, TaxIds, Ui
from domain.values.free_amounts import Bonus, FreeAmount
from domain.values.money import Money
from domain.values.plans import Plan, Terms
from entrypoints.catalogue import InvalidCatalogue, load_catalogue
from entrypoints.checkout_tables import LOCALES

PACK = '[plans.one]\nname = "One"\ncredits = 10\nprice = 100\ncurrency = "usd"\n'
SUBSCRIPTION = PACK + 'mode = "subscription"\ninterval = "month"\n'
TOPUP = """
[plans.one]
name = "One"
[plans.one.amounts.usd]
min = 500
max = 50_000
credits = 10
per = 100
bonuses = [{ from = 5_000, percent = 10 }]
"""
EVERYTHING = """
[checkout]
promotion_codes = true
automatic_tax = true
tax_behavior = "exclusive"
tax_code = "txcd_10103001"
billing_address = "required"
tax_ids = "required"
terms_of_service = true
invoice = false
locale = "pt-BR"
ui = "embedded"
managed_payments = false
"""
ELIGIBLE = 'managed_payments = true\ntax_code = "txcd_10105002"\n'


def loaded(folder: Path, text: str) -> Plan:
    """Return the plan `one` of a catalogue."""
    path = folder / "plans.toml"
    path.write_text(text, encoding="utf-8")
    plan = load_catalogue(path).find("one")
    assert plan is not None
    return plan


def problems(folder: Path, text: str) -> tuple[str, ...]:
    """Return why a catalogue is refused."""
    with pytest.raises(InvalidCatalogue) as raised:
        loaded(folder, text)
    return raised.value.problems


def test_the_deployment_says_what_its_plans_do_not(tmp_path: Path) -> None:
    """A plan's own table goes before the deployment's, key by key."""
    own = PACK + '[plans.one.checkout]\nlocale = "de"\ntax_ids = "never"\n'
    assert loaded(tmp_path, EVERYTHING + own).checkout == CheckoutOptions(
        promotion_codes=True,
        automatic_tax=True,
        tax_behavior=TaxBehavior.EXCLUSIVE,
        tax_code="txcd_10103001",
        billing_address=True,
        tax_ids=TaxIds.NEVER,
        terms_of_service=True,
        invoice=False,
        locale="de",
        ui=Ui.EMBEDDED,
        managed_payments=False,
    )
    assert CheckoutOptions() == loaded(tmp_path, PACK).checkout


def test_the_languages_are_those_of_stripes_page() -> None:
    """Of the API version in use."""
    names = {**vars(stripe_params), "Mapping": Mapping, "StripeContext": str}
    hints = get_type_hints(stripe_params.SessionCreateParams, names)
    words = {word for one in get_args(hints["locale"]) if get_origin(one) is Literal for word in get_args(one)}
    assert words == LOCALES


def test_an_offer_is_read(tmp_path: Path) -> None:
    """Currencies, quantities, free amounts, periods of several intervals, and trials."""
    plan = loaded(tmp_path, PACK + "prices = { eur = 90 }\nquantity = { max = 5, adjustable = true }\n")
    assert (Money(amount=100, currency="usd"), Money(amount=90, currency="eur")) == plan.fixed_prices
    assert Quantity(least=1, most=5, adjustable=True) == plan.quantity
    plan = loaded(tmp_path, SUBSCRIPTION + "interval_count = 3\ntrial_days = 14\n")
    assert ("month", 3, 14) == (plan.interval, plan.interval_count, plan.trial_days)
    plan = loaded(tmp_path, TOPUP)
    bonuses = (Bonus(amount=5_000, percent=10),)
    free = FreeAmount(currency="usd", least=500, most=50_000, credits=10, per=100, bonuses=bonuses)
    assert ((free,), Terms(credits=50, price=Money(amount=500, currency="usd"))) == (plan.amounts, plan.terms)
    assert () == plan.fixed_prices


BAD = {
    "a table of no options": "checkout = true\n" + PACK,
    "an unknown option": "[checkout]\ndiscount = true\n" + PACK,
    "a plan's unknown option": PACK + "checkout = { discount = true }\n",
    "no truth": PACK + 'checkout = { promotion_codes = "yes" }\n',
    "no table": PACK + "checkout = true\n",
    "a behavior that Stripe does not know": PACK + 'checkout = { tax_behavior = "unspecified" }\n',
    "an address of sorts": PACK + 'checkout = { billing_address = "never" }\n',
    "a tax id of sorts": PACK + 'checkout = { tax_ids = "always" }\n',
    "a tax code of nobody's": PACK + 'checkout = { tax_code = "saas" }\n',
    "a language in upper case": PACK + 'checkout = { locale = "DE" }\n',
    "a third kind of page": PACK + 'checkout = { ui = "elements" }\n',
    "a subscription without invoices": SUBSCRIPTION + "checkout = { invoice = false }\n",
    "managed payments of saved cards": PACK + "save_card = true\n[plans.one.checkout]\n" + ELIGIBLE,
    "managed payments of no code": PACK + "checkout = { managed_payments = true }\n",
    "managed payments of things": PACK + 'checkout = { managed_payments = true, tax_code = "txcd_99999999" }\n',
    "managed payments and tax": PACK + "[plans.one.checkout]\nautomatic_tax = true\n" + ELIGIBLE,
    "managed payments and tax ids": PACK + '[plans.one.checkout]\ntax_ids = "optional"\n' + ELIGIBLE,
    "managed payments and terms": PACK + "[plans.one.checkout]\nterms_of_service = true\n" + ELIGIBLE,
    "managed payments and invoices": PACK + "[plans.one.checkout]\ninvoice = true\n" + ELIGIBLE,
    "managed payments and addresses": PACK + '[plans.one.checkout]\nbilling_address = "required"\n' + ELIGIBLE,
    "a quantity of no limit": PACK + "quantity = { min = 1 }\n",
    "a quantity of nothing": PACK + "quantity = { min = 0, max = 5 }\n",
    "a quantity upside down": PACK + "quantity = { min = 6, max = 5 }\n",
    "a quantity beyond Stripe's": PACK + "quantity = { max = 1000000 }\n",
    "a quantity of text": PACK + 'quantity = { max = "5" }\n',
    "a quantity of truth": PACK + "quantity = { max = true }\n",
    "a quantity of steps": PACK + "quantity = { max = 5, step = 5 }\n",
    "a quantity without a table": PACK + "quantity = 5\n",
    "a quantity for nothing": PACK.replace("price = 100", "price = 0") + "quantity = { max = 5 }\n",
    "too many credits at once": PACK.replace("credits = 10", "credits = 1000000000000") + "quantity = { max = 2 }\n",
    "too much money at once": PACK.replace("price = 100", "price = 1000000000000") + "quantity = { max = 2 }\n",
    "its own currency twice": PACK + "prices = { usd = 90 }\n",
    "a currency of no letters": PACK + "prices = { euro = 90 }\n",
    "a currency of no number": PACK + 'prices = { eur = "90" }\n',
    "a currency below nothing": PACK + "prices = { eur = -1 }\n",
    "free in one currency": PACK + "prices = { eur = 0 }\n",
    "free but in one currency": PACK.replace("price = 100", "price = 0") + "prices = { eur = 90 }\n",
    "periods of a pack": PACK + "interval_count = 3\n",
    "no period": SUBSCRIPTION + "interval_count = 0\n",
    "a period of four years": SUBSCRIPTION + "interval_count = 37\n",
    "a trial of a pack's": PACK + "trial_days = 14\n",
    "a trial before today": SUBSCRIPTION + "trial_days = -1\n",
    "a trial of three years": SUBSCRIPTION + "trial_days = 731\n",
    "a trial of what is free": SUBSCRIPTION.replace("price = 100", "price = 0") + "trial_days = 14\n",
    "amounts of a subscription": TOPUP.replace('"One"', '"One"\nmode = "subscription"\ninterval = "month"'),
    "amounts beside a price": TOPUP.replace('"One"', '"One"\nprice = 5'),
    "amounts of known prices": TOPUP.replace('"One"', '"One"\nstripe_prices = ["price_1"]'),
    "amounts and a quantity": TOPUP.replace('"One"', '"One"\nquantity = { max = 2 }'),
    "amounts of no currency": '[plans.one]\nname = "One"\namounts = {}\n',
    "amounts without a rate": TOPUP.replace("per = 100\n", ""),
    "amounts that bring nothing": TOPUP.replace("per = 100\n", "per = 10_000\n"),
    "amounts that bring too much": TOPUP.replace("credits = 10\n", "credits = 1_000_000_000_000\n"),
    "amounts in dollars": TOPUP.replace("amounts.usd", "amounts.dollars"),
    "a bonus of no amount": TOPUP.replace("from = 5_000, ", ""),
    "a bonus of half a percent": TOPUP.replace("percent = 10", "percent = 0.5"),
    "a list of no bonuses": TOPUP.replace("[{ from = 5_000, percent = 10 }]", "[5]"),
    "a table of no amounts": '[plans.one]\nname = "One"\namounts = { usd = 5 }\n',
}


@pytest.mark.parametrize("how", BAD)
def test_a_bad_offer_is_refused(how: str, tmp_path: Path) -> None:
    """With one problem for one mistake."""
    assert 1 == len(problems(tmp_path, BAD[how]))


def test_all_that_stripe_refuses_is_named_at_once(tmp_path: Path) -> None:
    """Each line says which key is in the way of which other, and why."""
    wrong = """
[checkout]
automatic_tax = true
terms_of_service = true
[plans.one.checkout]
managed_payments = true
tax_ids = "required"
"""
    assert (
        "plan one: checkout.automatic_tax cannot be used with checkout.managed_payments: Stripe, as the seller, "
        "calculates and pays the tax",
        "plan one: checkout.tax_ids cannot be used with checkout.managed_payments: Stripe asks for tax ids itself",
        "plan one: checkout.terms_of_service cannot be used with checkout.managed_payments: the buyer agrees to the "
        "terms of Stripe, the seller",
        "plan one: checkout.managed_payments needs a checkout.tax_code that is eligible for it",
    ) == problems(tmp_path, PACK + wrong)


def test_managed_payments_make_no_invoice(tmp_path: Path) -> None:
    """Stripe sends its own receipt; otherwise, a pack makes one unless the plan says that it does not."""
    managed = loaded(tmp_path, PACK + "[plans.one.checkout]\n" + ELIGIBLE).checkout
    assert (True, False) == (managed.managed_payments, managed.makes_invoice)
    assert loaded(tmp_path, PACK).checkout.makes_invoice
    assert not loaded(tmp_path, PACK + "checkout = { invoice = false }\n").checkout.makes_invoice


def test_invoices_of_a_deployment_leave_subscriptions_alone(tmp_path: Path) -> None:
    """A default of packs is no mistake of a subscription's."""
    assert loaded(tmp_path, "[checkout]\ninvoice = false\n" + SUBSCRIPTION).interval == "month"
