"""places_changed: what code assigns or changes in place, found by following its values through its instructions."""

from __future__ import annotations

import dis
import types
from collections.abc import Iterator

import attrs

_CHANGING_METHODS = frozenset({
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "put", "remove",
    "setdefault", "update", "write",
})  # fmt: skip
_ENDS = frozenset({
    "JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT", "RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS",
    "RERAISE",
})  # fmt: skip
_ITEMS = frozenset({"BINARY_SUBSCR", "BINARY_SLICE"})
CONTENT = "[]"
"""Step of a path from a value to what it contains."""


@attrs.frozen
class Place:
    """Where a value is kept: a variable, and the way from it.

    Parameters
    ----------
    variable
        Name of the variable.
    local
        Whether the variable belongs to the call, rather than to a module or to a function around the code.
    path
        Names of attributes, and `CONTENT` for items.
    """

    variable: str
    local: bool
    path: tuple[str, ...] = ()

    def at(self, step: str) -> Place:
        """Return the place one step further."""
        return Place(self.variable, self.local, (*self.path, step))


def variables_in(code: types.CodeType) -> set[str]:
    """Return the names of the global variables that code reads, nested code included; attributes are none."""
    own = {step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return own.union(*map(variables_in, _nested(code)))


def places_changed(code: types.CodeType) -> set[Place]:
    """Return the places that code assigns or changes in place, nested code included.

    Aliases are followed within a function: after ``seen = self.seen``, ``seen[key] = 1`` changes ``self.seen``.

    Examples
    --------
    >>> def count(gene):
    ...     counts[gene] += 1
    >>> places_changed(count.__code__)
    {Place(variable='counts', local=False, path=('[]',))}
    """
    return set(_Following().follow(code)).union(*map(places_changed, _nested(code)))


def _nested(code: types.CodeType) -> list[types.CodeType]:
    return [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]


@attrs.define
class _Following:
    """Values on the stack by the place that they come from, None if unknown, as the instructions are followed."""

    stack: list[Place | None] = attrs.field(factory=list)
    aliases: dict[str, Place | None] = attrs.field(factory=dict)

    def follow(self, code: types.CodeType) -> Iterator[Place]:
        """Yield what is changed. Both ways of a branch are followed, the second with the stack that it begins with."""
        at: dict[int, list[Place | None]] = {}
        ended = False
        for step in dis.get_instructions(code):
            if ended:
                self.stack = at.get(step.offset, [])
            ended = step.opname in _ENDS
            changed = self._take(step)
            if changed is not None:
                yield changed
            if step.opcode in dis.hasjrel:
                at.setdefault(step.argval, list(self.stack))

    def _take(self, step: dis.Instruction) -> Place | None:
        """Follow one instruction; return the place that it changes."""
        name = step.opname
        if name in ("LOAD_ATTR", "LOAD_METHOD"):
            owner = self._pop()
            if name == "LOAD_METHOD" or "NULL|" in step.argrepr:
                self.stack.append(None)
            self.stack.append(owner and owner.at(step.argval))
            return owner.at(CONTENT) if owner and step.argval in _CHANGING_METHODS else None
        if name in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF"):
            self._by_effect(step)
            self.stack[-1] = Place(step.argval, local=False)
            return None
        if name in ("STORE_GLOBAL", "STORE_DEREF"):
            self._pop()
            return Place(step.argval, local=False)
        if name in ("STORE_ATTR", "DELETE_ATTR"):
            owner = self._pop()
            if name == "STORE_ATTR":
                self._pop()
            return owner and owner.at(step.argval)
        if name in ("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE"):
            keys = 2 if name == "STORE_SLICE" else 1
            *_, owner = [self._pop() for _ in range(keys + 1)]
            if name != "DELETE_SUBSCR":
                self._pop()
            return owner and owner.at(CONTENT)
        self._move(step)
        return None

    def _move(self, step: dis.Instruction) -> None:
        """Follow an instruction that changes nothing."""
        name, count = step.opname, step.arg or 0
        if "_FAST" in name:
            self._take_locals(step)
        elif name == "COPY":
            self.stack.append(self._peek(count))
        elif name == "SWAP":
            self._peek(count)
            self.stack[-1], self.stack[-count] = self.stack[-count], self.stack[-1]
        elif name in _ITEMS or (name == "BINARY_OP" and step.argrepr == "[]"):
            owner = [self._pop() for _ in range(3 if name == "BINARY_SLICE" else 2)][-1]
            self.stack.append(owner and owner.at(CONTENT))
        elif name == "CALL":
            *_, first, function, null = [None, *(self._pop() for _ in range(count + 2))]
            of_type = count == 1 and Place("type", local=False) in (function, null)
            self.stack.append(first and first.at("__class__") if of_type else None)
        elif name != "PRECALL":  # Python 3.11 announces each call
            self._by_effect(step)

    def _take_locals(self, step: dis.Instruction) -> None:
        """Follow an instruction on one or two variables of the call."""
        names = step.argval if isinstance(step.argval, tuple) else (step.argval,)
        kinds = [word for word in step.opname.split("_") if word in ("LOAD", "STORE", "DELETE")]
        for kind, variable in zip(kinds, names, strict=False):
            if kind == "LOAD":
                self.stack.append(self.aliases.get(variable, Place(variable, local=True)))
            elif kind == "STORE":
                self.aliases[variable] = self._pop()

    def _by_effect(self, step: dis.Instruction) -> None:
        effect = dis.stack_effect(step.opcode, step.arg, jump=False)
        is_new = step.opname.startswith(("CALL", "BUILD", "BINARY", "COMPARE", "UNARY", "CONTAINS", "IS_OP", "FORMAT"))
        for _ in range(is_new - effect):
            self._pop()
        self.stack += [None] * max(is_new, effect)

    def _pop(self) -> Place | None:
        return self.stack.pop() if self.stack else None

    def _peek(self, count: int) -> Place | None:
        self.stack[:0] = [None] * (count - len(self.stack))
        return self.stack[-count]
