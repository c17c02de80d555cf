"""GoHighLevel's OpenAPI files as a judge of requests and answers. For contract tests of the client and of the simulator.

The files break the rules of OpenAPI in so many places that strict tools refuse to load them; this loader reads what it
needs and no more. Where they are wrong about the API itself, the errata say so, one by one.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jsonschema import Draft4Validator, validators
from referencing import Registry
from referencing.jsonschema import DRAFT4

ROOT: Final = Path(__file__).parents[2]
DATA: Final = Path(os.environ.get("ENTERPRISEHUB_DATA", ROOT.parent / "shared" / "data"))
SPECS: Final = next(
    (folder for folder in (DATA / "ghl-openapi", DATA.parent / "ghl-openapi") if folder.is_dir()),
    DATA / "ghl-openapi",
)
ERRATA: Final = ROOT / "tests" / "fixtures" / "ghl" / "errata.toml"
NO_SPECS: Final = f"no OpenAPI files at {SPECS}; set ENTERPRISEHUB_DATA"

_BASE: Final = "https://openapi.invalid/"
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"
_PROSE: Final = frozenset(
    {"description", "example", "examples", "summary", "tags", "operationId", "externalDocs"}
)


@dataclass(frozen=True)
class Erratum:
    """One place where the files are wrong: what is taken out of a list, or what a value is replaced by, and why."""

    files: tuple[str, ...]
    at: str
    reason: str
    remove: tuple[str, ...] = ()
    replace: Any = None

    def mend(self, document: dict[str, Any]) -> None:
        """Apply it. Fails when the place is gone: the file changed, and the erratum must be looked at again."""
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in self.at.strip("/").split("/")]
        place = functools.reduce(lambda found, part: found[part], way, document)
        if self.replace is not None:
            place[last] = deepcopy(self.replace)
        for word in self.remove:
            place[last].remove(word)


@dataclass(frozen=True)
class Operation:
    """One call that the files describe."""

    file: str
    method: str
    template: str
    document: Mapping[str, Any]

    @property
    def name(self) -> str:
        """``GET /contacts/{contactId}``."""
        return f"{self.method} {self.template}"

    @property
    def content(self) -> dict[str, Any]:
        """Its part of the file."""
        part: dict[str, Any] = self.document["paths"][self.template][self.method.lower()]
        return part

    @property
    def scopes(self) -> set[str]:
        """The scopes of which a token needs one."""
        return {
            scope for way in self.content.get("security", []) for scopes in way.values() for scope in scopes
        }

    def parameters(self, place: str) -> dict[str, dict[str, Any]]:
        """Its parameters in ``query`` or ``header``, by name."""
        return {one["name"]: one for one in self.content.get("parameters", []) if one["in"] == place}

    def pointer(self, *way: str) -> str:
        """A JSON reference to a part of it."""
        steps = ("paths", self.template, self.method.lower(), *way)
        path = "/".join(quote(step.replace("~", "~0").replace("/", "~1"), safe="~") for step in steps)
        return f"{_BASE}{self.file}#/{path}"

    def digest(self) -> str:
        """Changes when anything but prose changes in the operation or in a schema that it reaches."""
        reached = {"": _without_prose(self.content)}
        pending = list(_references(self.content))
        while pending:
            name = pending.pop().rpartition("/")[2]
            schema = self.document["components"]["schemas"].get(name)
            if name not in reached and schema is not None:
                reached[name] = _without_prose(schema)
                pending += _references(schema)
        return hashlib.sha256(json.dumps(reached, sort_keys=True).encode()).hexdigest()[:12]


class ApiDocuments:
    """Every file of one generation of the API, with its errata mended."""

    def __init__(self, profile: str, errata: Sequence[Erratum]) -> None:
        """``profile``: "v3" or "dates"."""
        folder = "apps/v3" if profile == "v3" else "apps"
        names = [path.relative_to(SPECS).as_posix() for path in sorted((SPECS / folder).glob("*.json"))]
        shared = ("common/common-schemas.json", "apps/common/common-schemas.json")
        documents = {name: json.loads((SPECS / name).read_text()) for name in (*names, *shared)}
        for erratum in errata:
            for name in set(erratum.files) & set(names):
                erratum.mend(documents[name])
        self._registry: Registry[Any] = Registry().with_resources(
            (_BASE + name, DRAFT4.create_resource(document)) for name, document in documents.items()
        )
        self.operations: Final = [
            Operation(name, method.upper(), template, documents[name])
            for name in names
            for template, item in documents[name]["paths"].items()
            for method in item
            if method in _METHODS
        ]
        # Literal paths before templates: /contacts/search is no /contacts/{contactId}.
        self._by_path: Final = sorted(self.operations, key=lambda one: one.template.count("{"))

    def operation(self, method: str, path: str) -> Operation | None:
        """The operation that serves a path."""
        return next(
            (one for one in self._by_path if one.method == method and _pattern(one.template).fullmatch(path)),
            None,
        )

    def request_problems(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
    ) -> list[str]:
        """What is wrong with a request; empty when nothing is."""
        operation = self.operation(method, path)
        if operation is None:
            return [f"no operation {method} {path}"]
        return [
            *self._query_problems(operation, query or {}),
            *_header_problems(operation, headers),
            *self._body_problems(operation, _JSON, json),
            *self._body_problems(operation, _FORM, form),
        ]

    def answer_problems(self, method: str, path: str, *, status: int, content: Any) -> list[str]:
        """What is wrong with an answer; empty when nothing is, or when the files say nothing about its body."""
        operation = self.operation(method, path)
        if operation is None:
            return [f"no operation {method} {path}"]
        described = operation.content["responses"]
        if str(status) not in described:
            return [f"status {status} is not among {sorted(described)}"]
        if "schema" not in described[str(status)].get("content", {}).get(_JSON, {}):
            return []
        way = ("responses", str(status), "content", _JSON, "schema")
        return self._schema_problems({"$ref": operation.pointer(*way)}, content)

    def example(self, operation: Operation) -> Any:
        """A successful answer made of the examples in its schema, with stand-ins where it shows none; None: no body described."""
        for status, answer in operation.content["responses"].items():
            schema = answer.get("content", {}).get(_JSON, {}).get("schema")
            if status.startswith("2") and schema is not None:
                return _example(schema, operation.document)
        return None

    def _query_problems(self, operation: Operation, query: Mapping[str, str]) -> Iterator[str]:
        known = operation.parameters("query")
        for name, parameter in known.items():
            if parameter.get("required") and name not in query:
                yield f"query {name}: missing"
        for name, value in query.items():
            if name not in known:
                yield f"query {name}: unknown"
                continue
            schema = known[name].get("schema", {})
            kind = schema.get("type")
            read = {"number": _number, "boolean": _boolean}.get(kind, str)(value)
            rules = {
                key: rule for key, rule in schema.items() if key != "type" or kind in ("number", "boolean")
            }
            yield from (f"query {name}: {problem}" for problem in self._schema_problems(rules, read))

    def _body_problems(self, operation: Operation, kind: str, body: Any) -> Iterator[str]:
        described = operation.content.get("requestBody", {}).get("content", {})
        if body is None:
            if list(described) == [kind]:
                yield f"body: missing, {kind}"
        elif kind not in described:
            yield f"body: {kind} is not taken"
        else:
            way = ("requestBody", "content", kind, "schema")
            for problem in self._schema_problems({"$ref": operation.pointer(*way)}, body):
                yield f"body {problem}"

    def _schema_problems(self, schema: Mapping[str, Any], value: Any) -> list[str]:
        found = _Validator(dict(schema), registry=self._registry).iter_errors(value)
        return [f"{'/'.join(map(str, error.absolute_path)) or '.'}: {error.message}" for error in found]


def read_errata() -> list[Erratum]:
    """The reviewed errata."""
    return [
        Erratum(
            files=tuple(entry["files"]),
            at=entry["at"],
            reason=entry["reason"],
            remove=tuple(entry.get("remove", ())),
            replace=json.loads(entry["replace"]) if "replace" in entry else None,
        )
        for entry in tomllib.loads(ERRATA.read_text())["erratum"]
    ]


@functools.cache
def api_documents(profile: str) -> ApiDocuments:
    """The files of "v3" or "dates", with every erratum."""
    return ApiDocuments(profile, read_errata())


def _nullable_type(validator: Any, kind: Any, value: Any, schema: Any) -> Iterator[Any]:
    if value is None and schema.get("nullable"):
        return
    yield from Draft4Validator.VALIDATORS["type"](validator, kind, value, schema) or ()


_Validator: Final = validators.extend(Draft4Validator, {"type": _nullable_type})
"""OpenAPI 3.0 schemas are JSON Schema of draft 4 with ``nullable``."""


def _header_problems(operation: Operation, headers: Mapping[str, str]) -> Iterator[str]:
    sent = {name.lower(): value for name, value in headers.items()}
    for name, parameter in operation.parameters("header").items():
        value, allowed = sent.get(name.lower()), parameter.get("schema", {}).get("enum")
        if value is None and parameter.get("required"):
            yield f"header {name}: missing"
        elif value is not None and allowed and value not in allowed:
            yield f"header {name}: {value} is not one of {', '.join(allowed)}"


@functools.cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(template)))


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _boolean(text: str) -> bool | str:
    return {"true": True, "false": False}.get(text, text)


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def _without_prose(part: Any, *, names: bool = False) -> Any:
    """``names``: the keys are names of properties, not words of the schema."""
    if isinstance(part, Mapping):
        return {
            key: _without_prose(value, names=key == "properties" and not names)
            for key, value in part.items()
            if names or key not in _PROSE
        }
    return [_without_prose(value) for value in part] if isinstance(part, list) else part


def _example(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _example(document["components"]["schemas"].get(name, {}), document)
    if schema.get("properties"):
        return {name: _example(one, document) for name, one in schema["properties"].items()}
    if schema.get("allOf"):
        return _example(schema["allOf"][0], document)
    if isinstance(schema.get("items"), Mapping) and "$ref" in schema["items"]:
        return [_example(schema["items"], document)]
    made_up = {"string": "text", "number": 1, "boolean": True}.get(schema.get("type", ""))
    return schema.get("example") or schema.get("enum", [made_up])[0]
