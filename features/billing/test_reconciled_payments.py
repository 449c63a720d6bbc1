"""What reconciling finds of payments: what never arrived, and nothing of what is known."""

import json
from datetime import timedelta

from adapters.stripe.envelope import RECONCILED, delivery_of
from domain.ports.payment_provider import Found
from domain.usecases.reconcile import Finding, Reconciler
from features.billing.packs import NAMED, OF_SESSION, completed, intent, session, succeeded
from features.billing.payloads import START, Payload, moment
from features.billing.world import World


async def found_by(world: World, *objects: tuple[str, Payload]) -> tuple[Finding, ...]:
    """Reconcile with a Stripe that has these objects."""
    for kind, about in objects:
        body = {
            "id": f"reconciled_{about['id']}",
            "object": "event",
            "type": kind,
            "created": moment(1),
            "livemode": False,
            "data": {"object": about},
            RECONCILED: True,
        }
        world.payments.have(Found(object_id=about["id"], kind=about["object"], delivery=delivery_of(json.dumps(body))))
    reconciler = Reconciler(history=world.payments, inbox=world.ledger.inbox, recorder=world.recorder)
    return (await reconciler.run(START - timedelta(days=1))).found


CHARGED = {"id": "ch_pi_1", "created": moment(-0.001)}
SESSION = session(payment_intent={"id": "pi_1", "latest_charge": CHARGED})
INTENT = intent(metadata=OF_SESSION, latest_charge=CHARGED)
LISTED = (("checkout.session.completed", SESSION), ("payment_intent.succeeded", INTENT))


async def test_what_is_known_is_not_found_for_its_charge_alone() -> None:
    """The charge is some seconds older than the event, and the payment's own event need not be sent to us."""
    world = World()
    await world.deliver(completed(session()))
    assert () == await found_by(world, *LISTED)
    assert 50 == await world.balance()
    assert () == await found_by(world)


async def test_a_payment_that_never_arrived_is_found() -> None:
    """A session's, and one that is a sale of its own."""
    world = World()
    alone = intent("pi_2", metadata=NAMED)
    found = await found_by(world, *LISTED, ("payment_intent.succeeded", alone))
    assert {("cs_1", 50), ("pi_2", 50)} == {(one.id, one.credits) for one in found}
    assert 100 == await world.balance()
    await world.deliver(succeeded(alone), succeeded(intent(metadata=OF_SESSION)), completed(session()))
    assert () == await found_by(world)
    assert 100 == await world.balance()


async def test_what_was_not_captured_is_found() -> None:
    """It takes that part back."""
    world = World()
    await world.deliver(completed(session()))
    (finding,) = await found_by(world, ("payment_intent.succeeded", {**INTENT, "amount_received": 300}))
    assert -20 == finding.credits
    assert 30 == await world.balance()
