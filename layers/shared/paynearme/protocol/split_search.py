"""Search a signed text for another complete message with another decisive field.

Unknown names make every signed text ambiguous: ``payment_typecredit`` is also an unknown parameter. Therefore each
split has a score, and a received message is ambiguous if another split has the same or a higher one. Decisive fields
increase the score, less if the value contains another documented parameter. An unknown name at the position of a
documented parameter decreases it.
"""

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from paynearme.protocol.signed_text import SignedText, ValueFormat

# Larger than the number of parameters in any text.
_UNIT = 1 << 20
_FIELD = 4 * _UNIT
# The value starts with another documented parameter. Each parameter in a value decreases the score by 1.
_FIELD_OR_NULL = _UNIT
_UNLIKELY_NAME = -6 * _UNIT
_NO_PATH = -(1 << 60)
_MAX_CANDIDATES = 1000


class _Candidate(NamedTuple):
    """A documented name at ``position``, which is the received parameter ``received``, if given."""

    position: int
    name_index: int
    value_position: int
    received: int | None
    changes_message: bool


class _Exit(NamedTuple):
    """The positions where the next documented parameter can start, the first index of its name, and a score.

    A next parameter outside of the unchanged positions changes the message.
    """

    first: int
    last: int
    name_index: int
    score: int
    unchanged_first: int
    unchanged_last: int
    absorbs: bool = False


class _Path(NamedTuple):
    """An exit with the best scores up to there, without and with a changed decisive field, and the changed parameter.

    A path has one of the scores. An absorbing path loses 1 for each parameter before its end.
    """

    first: int
    serial: int
    last: int
    name_index: int
    unchanged: int
    changed: int
    owner: int
    absorbs: bool


def find_other_message(signed: SignedText) -> str | None:
    """Return the name of the received parameter that another message splits or extends, or ``None``.

    The duration is proportional to the length of the text, and a text with more than 1,000 documented names is
    ambiguous without a search.
    """
    hidden: dict[tuple[int, str], bool] = {}
    for name in signed.decisive:
        for position in signed.hidden_decisive(name):
            hidden[position, name] = not signed.is_repeated(name, position + len(name))
            if len(hidden) > _MAX_CANDIDATES:
                return signed.names[signed.owner(position)]
    if not any(hidden.values()) and not signed.has_unlikely_parameter():
        return None
    candidates = [*_received_candidates(signed)]
    for (position, name), changes_message in hidden.items():
        name_index = signed.documented.indexes[name]
        candidates.append(_Candidate(position, name_index, position + len(name), None, changes_message))
    for candidate in _other_candidates(signed):
        candidates.append(candidate)
        if len(candidates) > _MAX_CANDIDATES:
            return signed.names[signed.owner(candidate.position)]
    return _SplitSearch(signed, sorted(candidates)).run()


def _received_candidates(signed: SignedText) -> Iterator[_Candidate]:
    for index, name_index in enumerate(signed.name_indexes):
        if name_index is not None:
            offset = signed.offsets[index]
            yield _Candidate(offset, name_index, offset + len(signed.names[index]), index, changes_message=False)


def _other_candidates(signed: SignedText) -> Iterator[_Candidate]:
    """Yield the candidates without a decisive field."""
    for name_index, name in enumerate(signed.documented.names):
        if name not in signed.decisive:
            for position in signed.foreign_positions(name):
                if not signed.is_inside_documented_name(position, position + len(name)):
                    yield _Candidate(position, name_index, position + len(name), None, changes_message=False)


class _SplitSearch:
    """The best paths to each position, in the order of the text."""

    def __init__(self, signed: SignedText, candidates: list[_Candidate]) -> None:
        self.signed, self.end, self.names = signed, len(signed.text), signed.documented.names
        present = {index for index in signed.name_indexes if index is not None}
        required = {*signed.required, "timestamp"} & signed.documented.indexes.keys()
        self.required = sorted(present & {signed.documented.indexes[name] for name in required})
        self.candidates = candidates
        self.likely = sorted({candidate.position for candidate in candidates if self._is_likely(candidate)})
        self.is_likely = frozenset(self.likely)
        self.decisive_offsets = [
            offset
            for offset, index in zip(signed.offsets, signed.name_indexes, strict=True)
            if index is not None and self.names[index] in signed.decisive
        ]
        self.decisive_ends = frozenset({*self.decisive_offsets, self.end})
        # The best paths without a last position, by the first index of the next name. All unchanged paths end at the
        # next decisive field of the message.
        count = len(self.names) + 1
        self.changed = [(_NO_PATH, 0)] * count
        self.absorbing = [(_NO_PATH, 0)] * count
        self.unchanged = [(_NO_PATH, -1)] * count
        self.limited: list[_Path] = []
        self.waiting: list[_Path] = []
        self.serial = 0

    def run(self) -> str | None:
        """Return the name of the parameter that the best other split changes, if it is as good as the message."""
        start = (_Exit(0, 0, 0, 0, 0, 0), *self._unknown_exit(0, "", 0, self.end))
        self._add(start, -1, (0, _NO_PATH, 0), 0)
        for candidate in self.candidates:
            unchanged, changed, owner = self._best_before(candidate.position, candidate.name_index)
            here = self.signed.owner(candidate.position)
            if candidate.changes_message:
                if unchanged > changed:
                    changed, owner = unchanged, here
                unchanged = _NO_PATH
            if unchanged > _NO_PATH or changed > _NO_PATH:
                self._add(self._exits(candidate), candidate.name_index, (unchanged, changed, owner), here)
        _, changed, owner = self._best_before(self.end, len(self.names))
        return self.signed.names[owner] if changed >= self._received_score() else None

    def _is_likely(self, candidate: _Candidate) -> bool:
        """Return whether a value of another parameter that contains ``candidate`` is unlikely."""
        name, position = self.names[candidate.name_index], candidate.value_position
        if self.signed.text.startswith(("_", "s_"), position) or self.signed.text.endswith("_", 0, candidate.position):
            return False
        value_format, pattern = self.signed.format_of(name)
        return value_format is ValueFormat.TEXT or pattern.match(self.signed.text, position) is not None

    def _add(self, exits: Iterable[_Exit], name_index: int, best: tuple[int, int, int], here: int) -> None:
        """Extend the best paths by a parameter inside of the received parameter ``here``."""
        unchanged, changed, owner = best
        place = bisect_right(self.required, name_index)
        next_required = self.required[place] if place < len(self.required) else len(self.names)
        for leaving in exits:
            first, last, score, absorbs = leaving.first, leaving.last, leaving.score, leaving.absorbs
            if leaving.name_index > next_required:
                # It leaves out a required parameter.
                continue
            if changed > _NO_PATH:
                self._wait(first, last, leaving.name_index, _NO_PATH, changed + score, owner, absorbs)
            if unchanged > _NO_PATH:
                total = unchanged + score
                start, stop = max(first, leaving.unchanged_first), min(last, leaving.unchanged_last)
                self._wait(start, stop, leaving.name_index, total, _NO_PATH, here, absorbs)
                if changed < unchanged:
                    self._wait(first, min(start - 1, last), leaving.name_index, _NO_PATH, total, here, absorbs)
                    self._wait(max(stop + 1, first), last, leaving.name_index, _NO_PATH, total, here, absorbs)

    def _wait(
        self, first: int, last: int, name_index: int, unchanged: int, changed: int, owner: int, absorbs: bool
    ) -> None:
        if first <= last:
            self.serial += 1
            heapq.heappush(
                self.waiting, _Path(first, self.serial, last, name_index, unchanged, changed, owner, absorbs)
            )

    def _arrive(self, path: _Path, position: int) -> None:
        index, last = path.name_index, path.last
        if last < position:
            return
        if path.changed > _NO_PATH and last == self.end:
            best = self.absorbing if path.absorbs else self.changed
            if path.changed > best[index][0]:
                best[index] = (path.changed, path.owner)
        elif path.unchanged > _NO_PATH and not path.absorbs and last in self.decisive_ends:
            score, until = self.unchanged[index]
            if until < position or path.unchanged > score:
                self.unchanged[index] = (path.unchanged, last)
        else:
            self.limited.append(path)

    def _best_before(self, position: int, name_index: int) -> tuple[int, int, int]:
        """Return the best scores before a parameter, without and with a change, and the changed parameter."""
        while self.waiting and self.waiting[0].first <= position:
            self._arrive(heapq.heappop(self.waiting), position)
        if self.limited:
            self.limited = [path for path in self.limited if path.last >= position]
        place = bisect_left(self.required, name_index)
        first_index = self.required[place - 1] + 1 if place else 0
        absorbed = bisect_left(self.likely, position)
        stop = name_index + 1
        unchanged = max(
            (score for score, until in self.unchanged[first_index:stop] if until >= position), default=_NO_PATH
        )
        changed, owner = max(self.changed[first_index:stop])
        score, absorbing_owner = max(self.absorbing[first_index:stop])
        if score - absorbed > changed:
            changed, owner = score - absorbed, absorbing_owner
        for path in self.limited:
            if first_index <= path.name_index < stop:
                loss = absorbed if path.absorbs else 0
                unchanged = max(unchanged, path.unchanged - loss)
                if path.changed - loss > changed:
                    changed, owner = path.changed - loss, path.owner
        return unchanged, changed, owner

    def _exits(self, candidate: _Candidate) -> Iterator[_Exit]:
        signed, received = self.signed, candidate.received
        name, start, following = self.names[candidate.name_index], candidate.value_position, candidate.name_index + 1
        value_format, pattern = signed.format_of(name)
        score = _FIELD if name in signed.decisive else 0
        place = bisect_right(self.decisive_offsets, candidate.position)
        until = self.decisive_offsets[place] if place < len(self.decisive_offsets) else self.end
        if value_format is ValueFormat.OPEN:
            # Unknown parameters after the value count as a part of it.
            end = -1 if received is None else self._offset(signed.next_documented(received))
            if start in self.is_likely:
                score = _FIELD_OR_NULL
                yield _Exit(start, start, following, score, -1, -1)
            score += bisect_left(self.likely, start)
            yield _Exit(start + 1, self.end, following, score, end, end, absorbs=True)
        elif value_format is ValueFormat.TEXT:
            yield _Exit(start, self.end, following, score, start, until)
        else:
            value = pattern.match(signed.text, start)
            if value:
                yield _Exit(value.end(), value.end(), following, score, start, until)
                yield from self._unknown_exit(value.end(), name, score, until)
            if received is not None:
                # The received value can have an unexpected format.
                yield self._received_exit(received, following, score, until)

    def _received_exit(self, received: int, following: int, score: int, until: int) -> _Exit:
        position = self._offset(received + 1)
        if self.signed.next_documented(received) == received + 1:
            return _Exit(position, position, following, score, position, position)
        unknown = self.signed.names[received + 1]
        score += _UNLIKELY_NAME if position in self.is_likely else 0
        first = position + len(unknown)
        return _Exit(first, self.end, bisect_right(self.names, unknown), score, first, until)

    def _unknown_exit(self, position: int, lower: str, score: int, until: int) -> Iterator[_Exit]:
        """Yield the positions after an unknown parameter at ``position``, with a name that sorts after ``lower``."""
        unknown = self.signed.name_above(position, lower)
        if unknown is not None:
            score += _UNLIKELY_NAME if position in self.is_likely else 0
            first = position + len(unknown)
            yield _Exit(first, self.end, bisect_right(self.names, unknown), score, first, until)

    def _offset(self, index: int) -> int:
        return self.signed.offsets[index] if index < len(self.signed.offsets) else self.end

    def _received_score(self) -> int:
        """Return the score of the received message."""
        signed, total, is_text_before = self.signed, 0, False
        for index, name_index in enumerate(signed.name_indexes):
            offset = signed.offsets[index]
            if name_index is None:
                total += _UNLIKELY_NAME if offset in self.is_likely and not is_text_before else 0
                is_text_before = True
                continue
            name = self.names[name_index]
            value_format, _ = signed.format_of(name)
            is_text_before = value_format is not ValueFormat.FIXED
            if name not in signed.decisive:
                continue
            start, end = offset + len(signed.names[index]), self._offset(signed.next_documented(index))
            if value_format is ValueFormat.OPEN:
                total += _FIELD_OR_NULL if start in self.is_likely else _FIELD
                total -= bisect_left(self.likely, end) - bisect_left(self.likely, start)
            else:
                total += _FIELD
        return total
