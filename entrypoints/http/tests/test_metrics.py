"""What is counted is there before it happens, so that the first failure is a difference."""

import re
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from features.harness.own_service import Serve, Serving


@pytest.fixture(scope="module")
def service(serve: Serve) -> Iterator[Serving]:
    """A service of which nothing was asked."""
    with serve() as serving:
        yield serving


def samples(service: Serving) -> dict[str, dict[tuple[str, ...], float]]:
    """The values of each counter by those of its labels, in the order of their names."""
    families = text_string_to_metric_families(service.http.get("/metrics").text)
    return {
        f"{family.name}_total": {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value for sample in family.samples
        }
        for family in families
        if family.type == "counter" and family.name.startswith("credence")
    }


EXPECTED = {
    "credence_webhook_events_total": ("parked", "checkout.session.completed"),
    "credence_parked_events_total": ("price_disagrees",),
    "credence_webhook_failures_total": ("invoice.paid",),
    "credence_webhook_refusals_total": ("invalid_signature",),
    "credence_credit_operations_total": ("place_hold", "insufficient"),
    "credence_requests_total": ("credence", "POST", "/usage", "402"),
    "credence_requests_error_total": ("credence", "POST", "/webhooks/stripe", "503"),
}


def test_every_counter_has_samples_from_the_start(service: Serving) -> None:
    """Each of ours, at 0; a scrape itself is counted, and whoever looked whether the service is ready."""
    found = samples(service)
    assert EXPECTED.keys() == found.keys()
    assert dict.fromkeys(EXPECTED, 0.0) == {name: found[name].get(labels) for name, labels in EXPECTED.items()}
    happened = {labels for values in found.values() for labels, value in values.items() if value}
    assert {path for _, _, path, _ in happened} <= {"/readyz", "/metrics"}


def test_labels_are_of_one_style(service: Serving) -> None:
    """Their values are in snake case, but for what HTTP and Stripe call their own."""
    found = samples(service)
    ours = {name: values for name, values in found.items() if "requests" not in name}
    values = {value for counted in ours.values() for labels in counted for value in labels}
    assert [] == sorted(value for value in values if not re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)*", value))


def test_a_first_refusal_is_a_difference(service: Serving) -> None:
    """Of 1, on the sample that was at 0."""
    name, labels = "credence_webhook_refusals_total", ("invalid_signature",)
    before = samples(service)[name][labels]
    assert 400 == service.http.post("/webhooks/stripe", content=b"{}").status_code
    assert before + 1 == samples(service)[name][labels]
