"""Workers that park, stand and put messages aside: `mailthread.c`, `outbox.wake` and `resident.drain`."""

from __future__ import annotations

from collections.abc import Iterator

from tests.unit.protocol.explore import (
    ACQUIRE,
    PLAIN,
    RELEASE,
    Broken,
    Explorer,
    Process,
    fence,
    futex_wait,
    load,
    membarrier,
    require,
    store,
    until,
    wake,
)

RUN, YIELD = "run", "yield"


def parking(barrier: str, looks_again: bool = True) -> Explorer:
    """One worker that parks, one that publishes a message and wakes it if it is parked.

    `barrier`: "membarrier" by the parker, "fences" on both sides, or "none".
    """

    def parker() -> Process:
        """`park` and `has_mail`."""
        while True:
            if (yield load("STAMP", ACQUIRE)) == 1:
                require((yield load("payload", PLAIN)) == 7, "the message was not written")
                return
            yield store("WK_PARKED", 1)
            if barrier != "none":
                yield membarrier() if barrier == "membarrier" else fence()
            if not looks_again or (yield load("STAMP", ACQUIRE)) == 0:
                yield futex_wait("WK_PARKED", 1)
            yield store("WK_PARKED", 0)
            yield until("STAMP", lambda stamp: stamp == 1, ACQUIRE)

    def publisher() -> Process:
        """`outbox.commit`, `outbox.wake`, then `pass_on` and `gy_mail_wake`."""
        yield store("payload", 7, PLAIN)
        yield store("STAMP", 1, RELEASE)
        if barrier == "fences":
            yield fence()
        if (yield load("WK_PARKED", ACQUIRE)) != 0:
            yield store("WK_PARKED", 0)
            yield wake("WK_PARKED")

    return Explorer({"WK_PARKED": 0, "STAMP": 0, "payload": 0}, {"parker": parker, "publisher": publisher})


def standing(acknowledges: str = RELEASE, waits: bool = True) -> Explorer:
    """A host that reads and changes an actor while its worker stands, and the worker's loop."""

    def host() -> Process:
        """`gy_mail_command`, `gy_mail_standing`; then the state is changed, and RUN again."""
        yield store("WK_COMMAND", YIELD, RELEASE)
        if waits:
            yield until("stage", lambda stage: stage == "standing", ACQUIRE)
        total = yield load("total", PLAIN)
        yield store("CT_STATE", "paused", PLAIN)
        yield store("total", total + 10, PLAIN)
        yield store("WK_COMMAND", RUN, RELEASE)

    def worker() -> Process:
        """Two turns of `resident.loop`, standing where it is told to."""
        for _ in range(2):
            if (yield load("WK_COMMAND", ACQUIRE)) == YIELD:
                yield store("stage", "standing", acknowledges)
                yield until("WK_COMMAND", lambda command: command == RUN, ACQUIRE)
                require((yield load("CT_STATE", PLAIN)) == "paused", "the new state was not seen")
                return
            total = yield load("total", PLAIN)
            yield store("total", total + 1, PLAIN)
        yield store("stage", "standing", acknowledges)

    words = {"WK_COMMAND": RUN, "stage": "running", "total": 0, "CT_STATE": "active"}
    return Explorer(words, {"host": host, "worker": worker})


def recheck(stands: bool) -> Explorer:
    """The host resumes a second actor and sets WK_RECHECK, which stands from the first one's resumption.

    The worker clears it in `resident.turn`, and looks. `stands`: it stands at a message boundary meanwhile.
    """

    def host() -> Process:
        if stands:
            yield until("stage", lambda stage: stage == "standing", ACQUIRE)
        yield store("CT_STATE", "active", RELEASE)
        yield store("WK_RECHECK", 1, RELEASE)
        yield store("WK_COMMAND", RUN, RELEASE)

    def worker() -> Process:
        if stands:
            yield store("stage", "standing", RELEASE)
            yield until("WK_COMMAND", lambda command: command == RUN, ACQUIRE)
        state = "paused"
        while state != "active":
            yield until("WK_RECHECK", lambda again: again == 1, ACQUIRE)
            yield store("WK_RECHECK", 0)
            state = yield load("CT_STATE", ACQUIRE)

    words = {"CT_STATE": "paused", "WK_RECHECK": 1, "WK_COMMAND": YIELD, "stage": "running"}
    return Explorer(words, {"host": host, "worker": worker})


def draining(counts_first: bool) -> Explorer:
    """The last message to an actor that drains: `outbox.commit` against `resident.leave`."""

    def sender() -> Process:
        if counts_first:
            yield store("SENT", 1)
        yield store("STAMP", 1, RELEASE)
        if not counts_first:
            yield store("SENT", 1)

    def receiver() -> Process:
        yield until("STAMP", lambda stamp: stamp == 1, ACQUIRE)
        yield store("DONE", 1, RELEASE)
        require((yield load("SENT", ACQUIRE)) == 1, "the actor did not end with its last message")

    return Explorer({"SENT": 0, "STAMP": 0, "DONE": 0}, {"sender": sender, "receiver": receiver})


class Killed(Exception):
    """The process ended here."""


class Store:
    """A worker's words by name, and a counter of stores after which it is killed."""

    def __init__(self, words: dict[str, object], life: int) -> None:
        self.words = words
        self.life = life

    def put(self, word: str, value: object) -> None:
        """One store."""
        if self.life == 0:
            raise Killed
        self.life -= 1
        self.words[word] = value


def fresh(messages: int) -> dict[str, object]:
    """A lane with messages for one actor, and an empty store for those put aside."""
    return {"head": 0, "done": 0, "first": 0, "last": 0, "count": 0, "free": (), "used": 0, "handled": ()} | {
        f"lane {k}": k for k in range(messages)
    }


def hold(memory: Store, messages: int) -> None:
    """Put all of the lane aside, store by store as `aside.hold` and `resident.drain` do."""
    w = memory.words
    while w["head"] < messages:  # type: ignore[operator]
        if w["free"]:
            entry = w["free"][0]  # type: ignore[index]
            memory.put("free", w["free"][1:])  # type: ignore[index]
        else:
            memory.put("used", w["used"] + 1)  # type: ignore[operator]
            entry = w["used"]
        memory.put(f"message {entry}", w["head"])
        memory.put(f"next {entry}", 0)
        memory.put("first" if w["count"] == 0 else f"next {w['last']}", entry)
        memory.put("last", entry)
        memory.put("count", w["count"] + 1)  # type: ignore[operator]
        memory.put("head", w["head"] + 1)  # type: ignore[operator]


def serve(memory: Store) -> None:
    """Handle all that was put aside, store by store as `resident.take` and `aside.give_back` do."""
    w = memory.words
    while w["count"]:
        entry = w["first"]
        memory.put("handled", (*w["handled"], w[f"message {entry}"]))  # type: ignore[misc]
        memory.put("done", w["done"] + 1)  # type: ignore[operator]
        memory.put("first", w[f"next {entry}"])
        memory.put("count", w["count"] - 1)  # type: ignore[operator]
        memory.put("free", (entry, *w["free"]))  # type: ignore[misc]


def entries(words: dict[str, object]) -> list[object]:
    """The list of an actor as a successor must read it: as it is linked, unless it counts as empty."""
    found: list[object] = []
    at = words["first"] if words["count"] else 0
    while at:
        found.append(at)
        at = words[f"next {at}"]
    return found


def repair(words: dict[str, object], messages: int) -> None:
    """What a successor does before it goes on: all that can be told from others is told anew."""
    linked = entries(words)
    if linked and words[f"message {linked[-1]}"] == words["head"]:
        words["head"] += 1  # type: ignore[operator]
    words["count"], words["first"] = len(linked), linked[0] if linked else 0
    words["last"] = linked[-1] if linked else 0
    words["free"] = tuple(k for k in range(1, int(words["used"]) + 1) if k not in linked)  # type: ignore[call-overload]
    words["done"] = int(words["head"]) - len(linked)  # type: ignore[call-overload]


def lives(messages: int) -> Iterator[tuple[int, dict[str, object]]]:
    """What each point of death leaves behind, after the successor has done everything that was left."""
    life = 0
    while True:
        memory = Store(fresh(messages), life)
        try:
            hold(memory, messages)
            serve(memory)
        except Killed:
            repair(memory.words, messages)
            successor = Store(memory.words, -1)
            hold(successor, messages)
            serve(successor)
            yield life, memory.words
            life += 1
            continue
        return


def once_in_order(handled: tuple[int, ...], messages: int) -> None:
    """Every message in order, and at most the one in hand twice."""
    seen = [m for k, m in enumerate(handled) if k == 0 or handled[k - 1] != m]
    if seen != list(range(messages)) or len(handled) > messages + 1:
        raise Broken(f"handled {handled}")
