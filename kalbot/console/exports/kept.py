"""Lines that are read more than once without being held: they wait in a temporary file, and memory keeps where each begins."""

from __future__ import annotations

import json
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Sequence
from typing import overload

Line = dict[str, str]


class Kept(Sequence[Line]):
    """The lines as they came, all read at once."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed with this object)
        weakref.finalize(self, self._file.close)
        self._places = array("q")
        place = 0
        for line in lines:
            self._places.append(place)
            place += self._file.write(json.dumps(line).encode() + b"\n")

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Line: ...

    @overload
    def __getitem__(self, place: slice) -> list[Line]: ...

    def __getitem__(self, place: int | slice) -> Line | list[Line]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        self._file.seek(self._places[place])
        found: Line = json.loads(self._file.readline())
        return found
