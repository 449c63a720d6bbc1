#!/usr/bin/env bash
# stripe 16.1.0 (Python): Stripe sends decimal amounts as JSON text ("0.5"). Since the package reads them, they are
# decimal.Decimal in a StripeObject, so that json.dumps(event.to_dict()) raises, and to_dict(for_json=True) writes small
# ones in exponent form, which is not what was sent: "0.000000000001" comes back as "1E-12". Code that expects the
# plain digits that Stripe documents (twelve places at most) meets another text, or a TypeError.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check stripe==16.1.0
"$folder/venv/bin/python" - <<'PYTHON'
import json
from importlib.metadata import version

import stripe

body = {
    "id": "evt_1",
    "object": "event",
    "type": "price.updated",
    "created": 1767268800,
    "livemode": False,
    "api_version": "2026-10-28.endive",
    "data": {
        "object": {
            "id": "price_1",
            "object": "price",
            "billing_scheme": "per_unit",
            "currency": "usd",
            "unit_amount": None,
            "unit_amount_decimal": "0.000000000001",
        }
    },
}
event = stripe.Event.construct_from(body, "sk_test_1")
held = event.data.object.unit_amount_decimal
print("stripe", version("stripe"), "holds", repr(held))
assert type(held).__name__ == "Decimal", type(held)
try:
    json.dumps(event.to_dict())
except TypeError as error:
    print("json.dumps(to_dict()):", error)
else:
    raise SystemExit("json.dumps(to_dict()) works now")
written = json.loads(json.dumps(event.to_dict(for_json=True)))["data"]["object"]["unit_amount_decimal"]
print("to_dict(for_json=True) writes", repr(written))
assert written == "1E-12", written
PYTHON
