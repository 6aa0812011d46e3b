"""The OpenAPI 3.1 document of the local API, made from the operations and their types."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import msgspec

from streembit._version import __version__
from streembit.api.answers import status_of_code
from streembit.api.operation import ErrorAnswer, Number, Operation, Parameter, Query
from streembit.api.operations import OPERATIONS
from streembit.service.facade import MAX_NAME_BYTES, Readiness

_REF: Final = "#/components/schemas/{name}"
_ALWAYS: Final = ("forbidden-host", "forbidden-origin", "bad-request", "internal")
_WITH_BODY: Final = ("bad-json", "too-large", "unsupported-media-type")
_DESCRIPTION: Final = (
    "HTTP/1.1 on the Unix socket `api.sock` in the node's home folder, for its owner only. "
    "JSON is strict: UTF-8, no duplicate members. Times are Unix seconds, binary values base64. "
    "The Host header is `localhost` or an IP address; a request with an Origin is refused."
)

Json = dict[str, Any]
Operations = tuple[Operation[Any], ...]


@cache
def document(operations: Operations = OPERATIONS) -> bytes:
    """Return the document of these operations as JSON, made once."""
    return msgspec.json.format(msgspec.json.encode(as_object(operations)), indent=2)


def as_object(operations: Operations = OPERATIONS) -> Json:
    """Return the document as JSON types."""
    schemas, components = _schemas(operations)
    paths: Json = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(
            operation, schemas
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Streembit", "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": "http://localhost"}],
        "paths": paths,
        "components": {"schemas": components},
    }


def _schemas(operations: Operations) -> tuple[dict[Any, Json], Json]:
    """Return the schema of each type that travels, and the named ones they refer to."""
    bodies = [operation.body for operation in operations if operation.body is not None]
    kinds = list(dict.fromkeys([ErrorAnswer, *(op.answer for op in operations), *bodies]))
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    return dict(zip(kinds, schemas, strict=True)), _tidied(components)


def _tidied(schema: Any) -> Any:
    """Return a schema with the indents of docstrings taken out of its descriptions."""
    if isinstance(schema, dict):
        return {name: _tidied_member(name, value) for name, value in schema.items()}
    return [_tidied(each) for each in schema] if isinstance(schema, list) else schema


def _tidied_member(name: str, value: Any) -> Any:
    if name == "description" and isinstance(value, str):
        return "\n".join(line.strip() for line in value.strip().splitlines())
    return _tidied(value)


def _described(operation: Operation[Any], schemas: dict[Any, Json]) -> Json:
    described: Json = {
        "operationId": operation.name,
        "summary": operation.doc,
        "parameters": [
            *(_parameter(each) for each in operation.parameters),
            *(_query(each) for each in operation.query),
        ],
        "responses": _responses(operation, schemas),
    }
    if operation.body is not None:
        content = {"application/json": {"schema": schemas[operation.body]}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _parameter(parameter: Parameter) -> Json:
    schema: Json = {"type": "string", "minLength": 1, "pattern": parameter.pattern}
    if parameter.spans:
        schema["maxLength"] = MAX_NAME_BYTES
    return {
        "name": parameter.name,
        "in": "path",
        "required": True,
        "description": parameter.doc,
        "schema": schema,
        "example": parameter.example,
    }


def _query(query: Query) -> Json:
    schema: Json
    if isinstance(query, Number):
        schema = {"type": "integer", "minimum": query.least, "maximum": query.most}
        if query.default is not None:
            schema["default"] = query.default
    else:
        schema = {"type": "string", "pattern": query.pattern}
    return {"name": query.name, "in": "query", "description": query.doc, "schema": schema}


def _responses(operation: Operation[Any], schemas: dict[Any, Json]) -> Json:
    kind = "application/jsonl" if operation.streams else "application/json"
    responses: Json = {"200": _response("Done.", schemas[operation.answer], kind)}
    if operation.answer is Readiness:
        responses["503"] = _response("Not ready.", schemas[Readiness])
    for status, codes in sorted(_codes_by_status(operation).items()):
        responses[str(status)] = _response(
            "Codes: " + ", ".join(sorted(codes)), schemas[ErrorAnswer]
        )
    return responses


def _codes_by_status(operation: Operation[Any]) -> dict[int, set[str]]:
    codes = {*_ALWAYS, *operation.errors, *(_WITH_BODY if operation.body is not None else ())}
    if operation.parameters:
        codes.add("no-such-path")
    by_status: dict[int, set[str]] = {}
    for code in codes:
        by_status.setdefault(status_of_code(code), set()).add(code)
    return by_status


def _response(description: str, schema: Json, kind: str = "application/json") -> Json:
    return {"description": description, "content": {kind: {"schema": schema}}}
