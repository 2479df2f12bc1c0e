"""Topics: words joined by dots; in a pattern `*` stands for one word and `#` for any number of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from gyral.core.errors import UserError


def check_topic(topic: str, pattern: bool) -> tuple[str, ...]:
    """The words of a topic or pattern. UserError where one is empty, or a wildcard stands in a topic."""
    words = tuple(topic.split("."))
    if not topic or not all(words):
        raise UserError(f"{topic!r} is no topic: write words joined by dots, such as 'orders.created'")
    if not pattern and ("*" in words or "#" in words):
        raise UserError(f"{topic!r} is a pattern; publish to one topic")
    return words


def matches(pattern: Sequence[str], topic: Sequence[str]) -> bool:
    """Whether a topic's words fit a pattern's."""
    if not pattern:
        return not topic
    if pattern[0] == "#":
        return any(matches(pattern[1:], topic[k:]) for k in range(len(topic) + 1))
    return bool(topic) and pattern[0] in ("*", topic[0]) and matches(pattern[1:], topic[1:])


class Topics:
    """Who has subscribed to what. What a topic reaches is worked out once, and kept until that changes."""

    def __init__(self) -> None:
        self._patterns: dict[tuple[str, ...], dict[Any, None]] = {}
        self._reached: dict[str, tuple[Any, ...]] = {}
        self._lock = threading.Lock()

    def subscribe(self, pattern: str, ref: Any) -> None:
        """Let a reference get what is published to topics that fit a pattern; twice is once."""
        words = check_topic(pattern, True)
        with self._lock:
            self._patterns.setdefault(words, {})[ref] = None
            self._reached.clear()

    def unsubscribe(self, pattern: str, ref: Any) -> None:
        """End a subscription; one that is not there is no error."""
        words = check_topic(pattern, True)
        with self._lock:
            self._patterns.get(words, {}).pop(ref, None)
            self._reached.clear()

    def drop(self, slot: int) -> None:
        """End all subscriptions of an actor."""
        with self._lock:
            for held in self._patterns.values():
                for ref in [r for r in held if r.slot == slot]:
                    del held[ref]
            self._reached.clear()

    def reached(self, topic: str) -> tuple[Any, ...]:
        """Everyone a topic reaches, each once, in the order of their subscriptions."""
        found = self._reached.get(topic)
        if found is None:
            words = check_topic(topic, False)
            with self._lock:
                held = [refs for pattern, refs in self._patterns.items() if matches(pattern, words)]
                found = self._reached[topic] = tuple(dict.fromkeys(ref for refs in held for ref in refs))
        return found

    def all(self) -> list[tuple[str, int]]:
        """Every subscription: pattern and slot."""
        with self._lock:
            return [(".".join(words), ref.slot) for words, refs in self._patterns.items() for ref in refs]
