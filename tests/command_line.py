"""The command line, called in the process of the test."""

import sys
from pathlib import Path

import pytest

from gyral.cli import main as command_line


def gyral(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    """Run `gyral` with these arguments; its exit status."""
    monkeypatch.setattr(sys, "argv", ["gyral", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        command_line.main()
    return int(left.value.code or 0)
