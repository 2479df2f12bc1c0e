"""How the cells of a simulation lie in memory, who owns them, and whose edges a block must wait for.

A field is one flat array of levels, each holding the state of one step. Rows of cells run along the last axis
and stand apart by a whole number of cache lines; around the grid lie edge cells, as wide as the reach.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gyral.actors.board import BLOCKS, DONE, LINE, OWNER_WORDS

ALIGN = 16
"""Elements between the starts of rows come in multiples of this: 64 bytes of 4-byte elements."""
SEGMENT = 4096
"""Cells of a row of a grid with a single axis, which has no rows of its own."""


@dataclass(frozen=True)
class Layout:
    """The memory of one level. `boundary` names per axis what lies beyond: zero, periodic or clamp."""

    shape: tuple[int, ...]
    reach: int
    boundary: tuple[str, ...]

    @cached_property
    def padded(self) -> tuple[int, ...]:
        """Extents with the edge cells; rows are filled up to a multiple of `ALIGN`."""
        wide = tuple(n + 2 * self.reach for n in self.shape)
        return (*wide[:-1], -(-wide[-1] // ALIGN) * ALIGN)

    @cached_property
    def strides(self) -> tuple[int, ...]:
        """Elements between neighbours along each axis."""
        return tuple(prod(self.padded[axis + 1 :]) for axis in range(len(self.shape)))

    @property
    def lead(self) -> int:
        """Elements before the padded grid, so that the first cell of each row begins a line."""
        return -self.reach % ALIGN

    @property
    def size(self) -> int:
        """Elements of a level, a multiple of `ALIGN`."""
        return -(-(self.lead + prod(self.padded)) // ALIGN) * ALIGN

    def cells(self, level: NDArray[Any]) -> NDArray[Any]:
        """The cells in the memory of a level, without the edges: a view."""
        inside = tuple(slice(self.reach, self.reach + n) for n in self.shape)
        return self._grid(level)[inside]

    def fill_edges(self, level: NDArray[Any]) -> None:
        """Give the edge cells what the boundary says."""
        grid = self._grid(level)
        for axis, (n, sources) in enumerate(zip(self.shape, self.sources, strict=True)):
            for k in (*range(self.reach), *range(n + self.reach, n + 2 * self.reach)):
                to: list[Any] = [slice(None)] * grid.ndim
                source = list(to)
                to[axis], source[axis] = k, int(sources[k])
                grid[tuple(to)] = grid[tuple(source)] if sources[k] >= 0 else 0

    @cached_property
    def sources(self) -> tuple[NDArray[Any], ...]:
        """Per axis and padded position the padded position it is a copy of, -1 for none."""
        return tuple(_sources(n, self.reach, kind) for n, kind in zip(self.shape, self.boundary, strict=True))

    def _grid(self, level: NDArray[Any]) -> NDArray[Any]:
        return level[self.lead : self.lead + prod(self.padded)].reshape(self.padded)


@dataclass(frozen=True)
class Division:
    """A layout shared out among blocks in runs of whole rows."""

    layout: Layout
    blocks: int

    @cached_property
    def rows(self) -> NDArray[Any]:
        """Per row the element of its first cell and its count of cells."""
        layout, n = self.layout, self.layout.shape[-1]
        start = layout.lead + layout.reach
        if len(layout.shape) == 1:
            firsts = np.arange(0, n, SEGMENT)
            return np.stack([start + firsts, np.minimum(SEGMENT, n - firsts)], 1)
        lines = np.zeros(layout.shape[:-1], np.int64)
        for axis, extent in enumerate(layout.shape[:-1]):
            along = (np.arange(extent) + layout.reach) * layout.strides[axis]
            lines += along.reshape([-1 if a == axis else 1 for a in range(lines.ndim)])
        return np.stack([lines.ravel() + start, np.full(lines.size, n)], 1)

    @cached_property
    def firsts(self) -> NDArray[Any]:
        """The first row of each block, and behind them the number of rows."""
        return np.arange(self.blocks + 1) * len(self.rows) // self.blocks

    @property
    def run(self) -> int:
        """Cells of a run: a whole row with its edges, or a cell where the grid has a single axis."""
        if not self.runs.size:
            return 0
        return 1 if len(self.layout.shape) == 1 else self.layout.shape[-1] + 2 * self.layout.reach

    @cached_property
    def runs(self) -> NDArray[Any]:
        """Edge rows (of a grid with one axis, edge cells): element to, element from, block that copies."""
        layout, reach = self.layout, self.layout.reach
        if len(layout.shape) == 1:
            to = np.flatnonzero(_beyond(layout.sources[0], reach))
            source = layout.sources[0][to]
            owner = self._owner((source - reach) // SEGMENT)
            return np.stack([to + layout.lead, source + layout.lead, owner], 1)
        sources = np.meshgrid(*layout.sources[:-1], indexing="ij")
        beyond = np.zeros(sources[0].shape, bool)
        for axis, along in enumerate(sources):
            if layout.boundary[axis] != "zero":
                here = np.arange(along.shape[axis]).reshape(
                    [-1 if a == axis else 1 for a in range(along.ndim)]
                )
                beyond |= along != here
        beyond &= np.all([along >= 0 for along in sources], axis=0)
        places = np.nonzero(beyond)
        to = sum(p * s for p, s in zip(places, layout.strides, strict=False))
        found = [along[places] for along in sources]
        source = sum(p * s for p, s in zip(found, layout.strides, strict=False))
        owner = self._owner(np.ravel_multi_index([p - reach for p in found], layout.shape[:-1]))
        return np.stack([to + layout.lead, source + layout.lead, owner], 1)

    @cached_property
    def edges(self) -> list[tuple[int, int]]:
        """Edge cells of each row: place to and from, counted from the row's first edge cell."""
        layout = self.layout
        if len(layout.shape) == 1:
            return []
        sources = layout.sources[-1]
        return [(int(k), int(sources[k])) for k in np.flatnonzero(_beyond(sources, layout.reach))]

    def neighbours(self, block: int) -> list[int]:
        """The blocks that own cells, or copies of cells, which this one reads; and those that read its."""
        return sorted(self._near[block])

    @cached_property
    def _near(self) -> list[set[int]]:
        near: list[set[int]] = [set() for _ in range(self.blocks)]
        layout = self.layout
        if len(layout.shape) == 1:
            owners = self._owner(np.maximum(layout.sources[0] - layout.reach, 0) // SEGMENT)
            owners = np.where(layout.sources[0] >= 0, owners, -1)
            own = owners[layout.reach : layout.reach + layout.shape[0]]
        else:
            sources = np.meshgrid(*layout.sources[:-1], indexing="ij")
            inside = np.all([along >= 0 for along in sources], axis=0)
            places = [np.maximum(along - layout.reach, 0) for along in sources]
            owners = self._owner(np.ravel_multi_index(places, layout.shape[:-1]))
            owners = np.where(inside, owners, -1)
            own = owners[tuple(slice(layout.reach, layout.reach + n) for n in layout.shape[:-1])]
        for shift in np.ndindex(*[2 * layout.reach + 1] * own.ndim):
            there = owners[tuple(slice(s, s + n) for s, n in zip(shift, own.shape, strict=True))]
            for mine, theirs in np.unique(np.stack([own.ravel(), there.ravel()], 1), axis=0):
                if theirs >= 0 and mine != theirs:
                    near[mine].add(int(theirs))
                    near[theirs].add(int(mine))
        return near

    def _owner(self, row: NDArray[Any]) -> NDArray[Any]:
        return np.searchsorted(self.firsts, row, side="right") - 1

    @cached_property
    def edges_at(self) -> int:
        """Where `table` lists the edge cells of rows."""
        return self.blocks * OWNER_WORDS

    def table(self) -> NDArray[Any]:
        """The table of `actors.board`."""
        owners, data = [], [np.array(self.edges, np.int64).ravel()]
        at = self.edges_at + data[0].size
        for block in range(self.blocks):
            first, last = int(self.firsts[block]), int(self.firsts[block + 1])
            runs = self.runs[self.runs[:, 2] == block][:, :2].ravel()
            near = np.array([BLOCKS + other * LINE + DONE for other in self.neighbours(block)], np.int64)
            rows = self.rows[first:last].ravel()
            owners.append(
                [
                    at,
                    last - first,
                    first,
                    at + rows.size,
                    runs.size // 2,
                    at + rows.size + runs.size,
                    near.size,
                    0,
                ]
            )
            data += [rows, runs, near]
            at += rows.size + runs.size + near.size
        return np.concatenate([np.ravel(owners), *data]).astype(np.uint32)


def _sources(extent: int, reach: int, kind: str) -> NDArray[Any]:
    places = np.arange(-reach, extent + reach)
    inside = (places >= 0) & (places < extent)
    if kind == "periodic":
        return places % extent + reach
    if kind == "clamp":
        return np.clip(places, 0, extent - 1) + reach
    return np.where(inside, places + reach, -1)


def _beyond(sources: NDArray[Any], reach: int) -> NDArray[Any]:
    """Which padded positions of an axis are copies."""
    return (sources >= 0) & (sources != np.arange(sources.size))
