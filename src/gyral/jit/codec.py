"""Artifacts as bytes: plain JSON in front, code behind. Nothing in a file can run when it is read."""

from __future__ import annotations

import json
from typing import Any, cast

from gyral.core.artifact import (
    ArrayParameter,
    Artifact,
    CompileOptions,
    Parameter,
    ScalarParameter,
    Signature,
    Site,
)
from gyral.core.dtypes import BY_NAME, DType, ElementType, StructType, Vec
from gyral.core.span import Span


def encode(artifact: Artifact) -> bytes:
    """An artifact as bytes."""
    signature = artifact.signature
    options = signature.options
    header = {
        "form": artifact.form,
        "entry": artifact.entry,
        "extra": artifact.extra,
        "name": signature.name,
        "rank": signature.rank,
        "parameters": [_parameter(p) for p in signature.parameters],
        "options": {name: getattr(options, name) for name in options.__dataclass_fields__},
        "item": signature.item,
        "scratch": signature.scratch_bytes,
        "cost": signature.cost_ns,
        "sites": [_site(s) for s in signature.sites],
        "shared": signature.shared_bytes,
        "coarse": signature.coarse,
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    return len(text).to_bytes(4, "little") + text + artifact.code


def decode(data: bytes) -> Artifact:
    """The artifact that `encode` wrote. ValueError, KeyError or TypeError for anything else."""
    size = int.from_bytes(data[:4], "little")
    header = cast("dict[str, Any]", json.loads(data[4 : 4 + size]))
    options: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in header["options"].items()
    }
    signature = Signature(
        name=header["name"],
        rank=header["rank"],
        parameters=tuple(_parameter_of(p) for p in header["parameters"]),
        options=CompileOptions(**options),
        item=tuple(header["item"]),
        scratch_bytes=header["scratch"],
        cost_ns=header["cost"],
        sites=tuple(_site_of(s) for s in header["sites"]),
        shared_bytes=header["shared"],
        coarse=header["coarse"],
    )
    return Artifact(header["form"], data[4 + size :], header["entry"], signature, header["extra"])


def _element(t: ElementType) -> Any:
    if isinstance(t, DType):
        return t.name
    if isinstance(t, Vec):
        return [t.elem.name, t.size]
    return {"name": t.name, "fields": [[name, _element(inner)] for name, inner in t.fields]}


def _element_of(data: Any) -> ElementType:
    if isinstance(data, str):
        return BY_NAME[data]
    if isinstance(data, list):
        return Vec(BY_NAME[data[0]], data[1])
    return StructType(data["name"], tuple((name, _element_of(inner)) for name, inner in data["fields"]))


def _parameter(p: Parameter) -> Any:
    if isinstance(p, ScalarParameter):
        return [p.name, p.dtype.name]
    return [p.name, _element(p.elem), p.rank, p.reads, p.writes]


def _parameter_of(data: Any) -> Parameter:
    if len(data) == 2:
        return ScalarParameter(data[0], BY_NAME[data[1]])
    name, elem, rank, reads, writes = data
    return ArrayParameter(name, _element_of(elem), rank, reads, writes)


def _site(site: Site) -> Any:
    span = site.span
    place = [span.file, span.line, span.column, span.end_line, span.end_column]
    return [site.kind, place, site.text, site.axis, site.parts, [t.name for t in site.types]]


def _site_of(data: Any) -> Site:
    kind, place, text, axis, parts, types = data
    return Site(kind, Span(*place), text, axis, tuple(parts), tuple(BY_NAME[t] for t in types))
