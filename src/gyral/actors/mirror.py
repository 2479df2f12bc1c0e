"""A world on the host and its copy on a device that cannot see it: what is copied when, and who owns what.

While launches run, the host owns its lanes' slots and tails, the heads of lanes to it, what it has sent, the
cells it arms, and what it commands; the device owns the rest. Between launches news go both ways; under a
pause everything does.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gyral.actors.dispatch import Dispatch
from gyral.actors.supersteps import begin, workers_of
from gyral.actors.world import World
from gyral.core import wire
from gyral.core.clock import MONOTONIC

Words = NDArray[np.uint32]

ONE_COPY_WORDS = 1 << 16
"""Up to so many words from the arena's begin are read back in one piece."""
CONTROL_SECONDS = 0.02
"""In larger arenas the host sees the actors' control blocks so often."""
HOST_BIT = np.uint32(1 << 31)


class Mirror:
    """Both copies of one world. `dispatch` has the device's; `mail` takes replies."""

    def __init__(self, world: World, dispatch: Dispatch, mail: Any) -> None:
        self._world, self._dispatch, self._mail = world, dispatch, mail
        self._at, self._geometry = world.at, world.geometry
        self._seen: Words = np.zeros(self._at["end"], np.uint32)
        self._theirs = _theirs(world)
        g = world.geometry
        self._host_lanes = [g.lane(w, 0, p) for p in range(g.priorities) for w in range(g.workers)]
        self._sent_to = dict.fromkeys(self._host_lanes, 0)
        self._taken = [0] * g.workers
        self._controls_read = 0.0
        self.stale = False
        """Whether the host has yet to see what became of actors' control blocks."""

    def put_all(self) -> None:
        """Copy the whole world to the device, while nothing runs."""
        self._seen[:] = self._world.arena
        self._dispatch.put(0, self._seen)
        for lane in self._host_lanes:
            self._sent_to[lane] = int(self._seen[self._header(lane) + wire.LN_HEAD])
        for number, array in enumerate(self._world.arguments()[1:], 1):
            self._dispatch.put(number, array)
        self._dispatch.wait()

    def put_news(self) -> None:
        """Queue copies of what the host sent and commands."""
        front = self._at["control"]
        self._seen[:front] = self._world.arena[:front]
        for lane in self._host_lanes:
            self._put_lane(lane)
        self._open(self._seen)
        self._dispatch.put(0, self._seen[:front])

    def get_news(self) -> bool:
        """Wait for what is queued and take over what the device did; whether it has something to tell."""
        at, seen = self._at, self._seen
        if at["list"] <= ONE_COPY_WORDS:
            self._dispatch.get(0, seen[: at["list"]])
        else:
            self._get_parts()
        self._wait()
        # Who sees a reply sees what was counted with it: cells come last.
        if not self.stale:
            self._merge(at["control"], at["sent"])
            self._merge_sent()
        self._merge(at["done"], at["list"])
        self._merge_front()
        tells = bool((workers_of(seen)[:, wire.WK_WAKE] & HOST_BIT).any())
        return self._merge_events(read=True) or tells

    def get_controls(self) -> None:
        """Take over the actors' control blocks, what they sent and what of it ended."""
        start, end = self._at["control"], self._at["list"]
        self._dispatch.get(0, self._seen[start:end], start)
        self._wait()
        self._merge(start, self._at["sent"])
        self._merge_sent()
        self._merge(self._at["done"], end)
        self.stale = False

    def get_all(self) -> bool:
        """Bring everything to the host, while nothing runs; whether there is something to tell."""
        self._dispatch.get(0, self._seen)
        for number, array in enumerate(self._world.arguments()[1:], 1):
            self._dispatch.get(number, array)
        self._wait()
        self._merge_front()
        self._merge(self._at["control"], self._at["sent"])
        self._merge_sent()
        self._merge(self._at["done"], self._at["list"])
        self._merge(self._at["dedup"], self._at["slots"])
        g = self._geometry
        for lane in set(range(g.lanes)) - set(self._host_lanes):
            start = int(self._seen[self._header(lane) + wire.LN_SLOTS_AT])
            self._merge(start, start + g.lane_depth(lane) * g.stride)
        self.stale = False
        return self._merge_events(read=False)

    def _header(self, lane: int) -> int:
        return self._at["lane"] + lane * wire.LANE_WORDS

    def _wait(self) -> None:
        self._dispatch.wait()

    def _open(self, words: Words) -> None:
        """Let the next launch see what is there now, and the time."""
        now = time.time_ns() // 1_000_000
        words[wire.SYS_TIME_LO], words[wire.SYS_TIME_HI] = now & wire.NONE, now >> 32
        begin(words)

    def _put_lane(self, lane: int) -> None:
        """Copy what the host's threads put in a lane; a message counts once its stamp is there."""
        arena, stride = self._world.arena, self._geometry.stride
        header = self._header(lane)
        position, tail = self._sent_to[lane], int(self._seen[header + wire.LN_TAIL])
        first, mask = int(arena[header + wire.LN_SLOTS_AT]), int(arena[header + wire.LN_MASK])
        while position != tail:
            place = position & mask
            count = min((tail - position) & wire.NONE, mask + 1 - place)
            slots = arena[first + place * stride :][: count * stride]
            stamps = slots[wire.STAMP :: stride]
            expected = (np.arange(1, count + 1, dtype=np.uint64) + position).astype(np.uint32)
            ready = int((np.append(stamps == expected, False)).argmin())
            self._dispatch.put(0, slots[: ready * stride], first + place * stride)
            position = (position + ready) & wire.NONE
            if ready < count:
                break
        self._sent_to[lane] = int(position)
        self._seen[header + wire.LN_TAIL] = position

    def _get_parts(self) -> None:
        """Queue reads of what is small and always needed, and of the control blocks now and then."""
        at, g, now = self._at, self._geometry, MONOTONIC()
        self._dispatch.get(0, self._seen[: at["control"]])
        self.stale = now - self._controls_read < CONTROL_SECONDS
        if not self.stale:
            self._controls_read = now
            self._dispatch.get(0, self._seen[at["control"] : at["list"]], at["control"])
            return
        for priority in range(g.priorities):
            start = at["done"] + priority * (g.workers + 1) * g.capacity
            self._dispatch.get(0, self._seen[start : start + g.capacity], start)

    def _merge_front(self) -> None:
        front, arena = self._at["control"], self._world.arena
        np.copyto(arena[:front], self._seen[:front], where=self._theirs)
        self._mail.merge_cells(self._seen[self._at["cell"] : front])

    def _merge(self, start: int, end: int) -> None:
        self._world.arena[start:end] = self._seen[start:end]

    def _merge_sent(self) -> None:
        """What workers sent; what the host sent it counts itself."""
        g, start = self._geometry, self._at["sent"]
        for row in range(g.priorities * (g.workers + 1)):
            if row % (g.workers + 1):
                self._merge(start + row * g.capacity, start + (row + 1) * g.capacity)

    def _merge_events(self, read: bool) -> bool:
        """Take over new records for the host, reading them first if need be; a stamp last of its record."""
        g, found = self._geometry, []
        for worker in range(g.workers):
            header = self._header(g.lanes + worker)
            position, tail = self._taken[worker], int(self._seen[header + wire.LN_TAIL])
            first, stride = int(self._seen[header + wire.LN_SLOTS_AT]), g.event_stride
            while position != tail:
                place = position & (g.out_depth - 1)
                count = min((tail - position) & wire.NONE, g.out_depth - place)
                start = first + place * stride
                found.append((start, start + count * stride))
                position = (position + count) & wire.NONE
            self._taken[worker] = tail
        if found and read:
            for start, end in found:
                self._dispatch.get(0, self._seen[start:end], start)
            self._wait()
        for start, end in found:
            new = self._seen[start:end].reshape(-1, g.event_stride)
            rows = self._world.arena[start:end].reshape(-1, g.event_stride)
            rows[:, wire.EV_STAMP + 1 :] = new[:, wire.EV_STAMP + 1 :]
            rows[:, wire.EV_STAMP] = new[:, wire.EV_STAMP]
        return bool(found)


def _theirs(world: World) -> NDArray[np.bool_]:
    """Which words in front of the control blocks the device writes; cells go by the mail."""
    g, at = world.geometry, world.at
    found = np.zeros(at["control"], np.bool_)
    blocks = found[at["worker"] :][: g.workers * wire.WORKER_WORDS].reshape(g.workers, wire.WORKER_WORDS)
    blocks[:, : wire.LINE] = True
    blocks[:, 2 * wire.LINE :] = True
    blocks[:, wire.WK_RECHECK] = True
    lanes = found[at["lane"] :][: g.lanes * wire.LANE_WORDS].reshape(g.lanes, wire.LANE_WORDS)
    lanes[:, : wire.LINE] = (np.arange(g.lanes) % (g.workers + 1) != 0)[:, None]
    lanes[:, wire.LN_HEAD] = True
    outs = found[at["out"] :][: g.workers * wire.LANE_WORDS].reshape(g.workers, wire.LANE_WORDS)
    outs[:, : wire.LINE] = True
    classes = found[at["class"] :][: g.classes * wire.CLASS_WORDS].reshape(g.classes, wire.CLASS_WORDS)
    classes[:, wire.CL_TAKEN] = True
    return found
