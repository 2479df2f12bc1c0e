"""The fields of one actor in the memory of its class, read and written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gyral.actors.fields import MISSING
from gyral.actors.world import Table
from gyral.core.errors import UserError
from gyral.core.native import Ref


def read_fields(table: Table, row: int) -> dict[str, Any]:
    """Copies of an actor's fields: numbers, structs and references as they stand, arrays in their shapes."""
    places = [(one.name, one.kind, one.rank) for one in table.kind.fields]
    return read_row(places, table.records[row], table.arrays, row)


def read_row(
    places: Iterable[tuple[str, str, int]], record: Any, arrays: Mapping[str, Any], row: int
) -> dict[str, Any]:
    """The fields of a row, each given by its name, its kind and its rank."""
    found = {}
    for name, kind, rank in places:
        if kind == "state":
            found[name] = _shown(record[name])
        elif kind == "fixed":
            found[name] = arrays[name][row].copy()
        else:
            shape = tuple(int(record[f"{name}@{axis}"]) for axis in range(rank))
            start = int(record[f"{name}@"])
            found[name] = arrays[name][start : start + int(np.prod(shape))].reshape(shape).copy()
    return found


def write_fields(table: Table, row: int, fields: Mapping[str, Any], pools: dict[str, int]) -> None:
    """Give an actor fields; those that are not given have their defaults.

    `pools`: where its arrays lie in the pools of their class, filled in as they are placed, for life.
    """
    for one in table.kind.fields:
        value = fields.get(one.name, one.default)
        if one.kind == "state":
            table.records[one.name][row] = stored(value, table.records.dtype[one.name])
        elif one.kind == "fixed":
            table.arrays[one.name][row] = 0 if value is MISSING or value is None else value
        else:
            _write_buffer(table, row, one.name, one.rank, value, pools)


def erase(table: Table, row: int) -> None:
    """Leave zeros and empty arrays, as an actor that a handler spawns next finds them."""
    table.records[row] = 0
    for one in table.kind.fields:
        if one.kind == "fixed":
            table.arrays[one.name][row] = 0


def stored(value: Any, dtype: np.dtype[Any]) -> Any:
    """A field's value as its record holds it."""
    if value is MISSING or value is None:
        return np.zeros((), dtype)[()]
    if isinstance(value, Ref):
        return (value.slot, value.gen | value.mail.route << 16)
    return value


def _write_buffer(table: Table, row: int, name: str, rank: int, value: Any, pools: dict[str, int]) -> None:
    pool, record = table.arrays[name], table.records[row : row + 1]
    data = np.zeros((0,) * rank, pool.dtype) if value is MISSING or value is None else np.asarray(value)
    if data.ndim != rank:
        raise UserError(f"{name} of {table.kind.name} has {rank} axes, and the array given {data.ndim}")
    place = pools.get(name)
    if place is None:
        place = pools[name] = table.used.get(name, 0)
        table.used[name] = place + data.size
    record[f"{name}@"] = place
    for axis, extent in enumerate(data.shape):
        record[f"{name}@{axis}"] = extent
    pool[place : place + data.size] = data.reshape(-1)


def _shown(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) and value.dtype.names is None else value.copy()
