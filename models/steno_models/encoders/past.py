"""The keys and values that a stream's self-attention looks back at.

Nothing of the past is copied when a chunk is added: its rows are written behind those that are
there, in memory with room for some chunks, and what the window has left behind stays until that is
full. Windows are plain values all the same. An older one still reads its own rows, and where a
second chunk is added to it, it takes a copy.
"""

from dataclasses import dataclass

from torch import Tensor

ROOM_CHUNKS = 4
"""How many chunks are written before the window moves to other memory."""


@dataclass(eq=False, slots=True)
class _Memory:
    """Rows that several windows share.

    Attributes:
        rows: (layers, 2, H, capacity, head_width): keys and values.
        written: how many rows of the capacity some window reads.
    """

    rows: Tensor
    written: int


@dataclass(frozen=True, slots=True)
class Past:
    """A window on the newest keys and values of every layer.

    Attributes:
        memory: that holds them.
        end: the row after its last one.
        left: how many rows are looked back at, at most.
    """

    memory: _Memory
    end: int
    left: int

    @classmethod
    def empty(cls, like: Tensor, *, layers: int, heads: int, head_width: int, left: int) -> "Past":
        """Return a window that has seen nothing, of the kind and on the device of `like`."""
        return cls(_Memory(like.new_empty(layers, 2, heads, 0, head_width), 0), 0, left)

    def __len__(self) -> int:
        return min(self.end, self.left)

    @property
    def seen(self) -> Tensor:
        """The window, (layers, 2, H, n, head_width), n at most `left`."""
        return self.memory.rows[:, :, :, self.end - len(self) : self.end]

    def with_room(self, steps: int) -> "Past":
        """Return the same window where `steps` rows can be written behind its end."""
        if self.end == self.memory.written and self.end + steps <= self.memory.rows.shape[3]:
            return self
        layers, kinds, heads, _, width = self.memory.rows.shape
        capacity = self.left + ROOM_CHUNKS * steps
        rows = self.memory.rows.new_empty(layers, kinds, heads, capacity, width)
        rows[:, :, :, : len(self)] = self.seen
        return Past(_Memory(rows, len(self)), len(self), self.left)

    def add(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write the rows of a chunk, each (H, S, head_width); return those it may look at.

        These are (H, n + S, head_width) keys and values. There has to be room for them.
        """
        begin, stop = self.end - len(self), self.end + keys.shape[1]
        rows = self.memory.rows[layer]
        rows[0, :, self.end : stop] = keys
        rows[1, :, self.end : stop] = values
        return rows[0, :, begin:stop], rows[1, :, begin:stop]

    def after(self, steps: int) -> "Past":
        """Return the window once `steps` rows were written to every layer."""
        self.memory.written = self.end + steps
        return Past(self.memory, self.end + steps, self.left)
