"""Interprets a target's answers: a refusal, an outage, or a redirect, which is not followed."""

import attrs
import httpx

_REDIRECTS = range(300, 400)


@attrs.frozen
class TargetUnfit(Exception):
    """Nothing can be fired at this target; the text says why, and what to do."""

    message: str

    def __str__(self) -> str:
        return self.message


@attrs.frozen
class NoAnswer(Exception):
    """The target did not answer, or answered that it can't now."""

    message: str

    def __str__(self) -> str:
        return self.message


def check_redirect(url: str, answer: httpx.Response) -> None:
    """See that the answer is the target's own.

    :raises TargetUnfit: if it sends us elsewhere.
    """
    if answer.status_code in _REDIRECTS:
        elsewhere = httpx.URL(answer.headers.get("location", "")).copy_with(query=None, fragment=None)
        raise TargetUnfit(
            f"{url} redirects to {elsewhere or 'somewhere'}; Stripe follows no redirect, and neither is one followed "
            "here. Give the address that answers itself as --target."
        )


def problem_type(answer: httpx.Response) -> str | None:
    """Return the stable name of a refusal of the service's own; None for any other answer."""
    try:
        body = answer.json()
    except ValueError:
        return None
    name = body.get("type") if isinstance(body, dict) else None
    return name.removeprefix("urn:credence:") if isinstance(name, str) and name.startswith("urn:credence:") else None


def detail_of(answer: httpx.Response) -> str:
    """Return the status of an answer, with the detail that a problem has, cut to 300 characters."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    detail = body.get("detail") if isinstance(body, dict) else None
    return f"{answer.status_code}: {str(detail)[:300]}" if detail else str(answer.status_code)
