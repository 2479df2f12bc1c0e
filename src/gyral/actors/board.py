"""The words by which the host and the blocks of a simulation talk, and the table that says who owns what.

`words` changes while the loop runs. The host writes the first line, the leader (block 0) the second, and each
block a line of its own: no line has two writers. `table` is fixed: eight words per block, then what they
point at.
"""

LINE = 16
"""Words of a line: those of two writers never share a cache line."""

TARGET, COMMAND, AHEAD = range(3)
"""Of the host: the step to reach, what to do, and how many steps the leader allows at once."""
RUN, HALT = range(2)
"""What `COMMAND` says."""

LIMIT, HALTED = LINE, LINE + 1
"""Of the leader: the step that no block goes beyond, and whether it stays there."""

BLOCKS = 2 * LINE
"""Where the blocks' lines begin."""
DONE, LEVEL = range(2)
"""Of a block: the steps it has published, and the level that holds the newest state."""

OWNER_WORDS = 8
ROW_AT, ROWS, FIRST_ROW, RUN_AT, RUNS, NEAR_AT, NEARS = range(7)
"""Of a block in `table`: its rows (element and count of cells each), the number of the first, the runs it
copies to the edges of others (to, from), and the places of the neighbours' `DONE`."""


def words_for(blocks: int) -> int:
    """How many words a board for so many blocks has."""
    return BLOCKS + blocks * LINE
