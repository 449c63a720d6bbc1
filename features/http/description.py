"""Answers held against the service's own OpenAPI description, by JSON Schema."""

import re
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import httpx
from jsonschema import Draft202012Validator, FormatChecker

FORMATS = FormatChecker(())


@FORMATS.checks("date-time", raises=ValueError)
def has_an_offset(text: object) -> bool:
    """Return whether a text is a time with an offset; a value that is not a text has another fault."""
    return not isinstance(text, str) or datetime.fromisoformat(text).tzinfo is not None


class Description:
    """The service's description of its answers, made strict: an answer may have no undescribed member."""

    def __init__(self, document: dict[str, Any]) -> None:
        for schema in document["components"]["schemas"].values():
            if "properties" in schema:
                schema["additionalProperties"] = False
        self._document = document
        self._paths = {re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))): path for path in document["paths"]}

    @classmethod
    def of(cls, http: httpx.Client) -> "Description":
        """The description that the service gives."""
        return cls(http.get("/schema/openapi.json").json())

    def faults(self, answer: httpx.Response) -> list[str]:
        """Return where the answer differs from what its operation describes for its status and media type."""
        asked = answer.request
        described = self._operation(asked)["responses"].get(str(answer.status_code))
        if described is None:
            return [f"{asked.method} {asked.url.path}: {answer.status_code} is not described: {answer.text}"]
        kind = answer.headers["content-type"].partition(";")[0]
        if kind not in described["content"]:
            return [f"{asked.method} {asked.url.path}: {answer.status_code} as {kind} is not described"]
        schema = {**self._document, **described["content"][kind]["schema"]}
        body = answer.json() if kind.endswith("json") else answer.text
        found = Draft202012Validator(schema, format_checker=FORMATS).iter_errors(body)
        return [f"{asked.method} {asked.url.path}: {error.json_path} {error.message}" for error in found]

    def _operation(self, asked: httpx.Request) -> dict[str, Any]:
        path = unquote(asked.url.raw_path.decode().partition("?")[0])
        (template,) = [template for pattern, template in self._paths.items() if pattern.fullmatch(path)]
        operation: dict[str, Any] = self._document["paths"][template][asked.method.lower()]
        return operation
