"""Records: variables and attributes that code changes itself, such as caches and counts, and that are no settings."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Collection, Mapping

import attrs

from pgxeval.prediction.code_changes import Place, places_changed, variables_in
from pgxeval.prediction.predictor_code import functions_in, is_filled, is_installed, is_installed_class, names_in

Key = tuple[int, str]
"""Identity of a namespace or of a variable of an enclosing function, and a name in it."""


def variables_around(function: types.FunctionType) -> dict[str, tuple[Key, object]]:
    """Return the variables of modules and enclosing functions that a function reads: their keys and values."""
    around = function.__globals__
    found: dict[str, tuple[Key, object]] = {
        name: ((id(around), name), around[name]) for name in variables_in(function.__code__) if name in around
    }
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        if is_filled(cell):
            found[name] = (id(cell), ""), cell.cell_contents
    return found


@attrs.define(kw_only=True, eq=False)
class Records:
    """Finds the records of functions and classes, and of all that these refer to by name.

    What one function changes is a record for every other one. What only a function that they never refer to changes, as
    one that sets options, is a setting.
    """

    found: set[Key] = attrs.field(factory=set)
    _seen: set[object] = attrs.field(factory=set)

    def is_record(self, namespace: object, name: str) -> bool:
        """Tell whether a name of a module's variables, or of a class, is a record."""
        return (id(namespace), name) in self.found

    def search(self, value: object, names: Collection[str] = ()) -> None:
        """Find the records of a function, a class, or the class of an object; of a module, those of `names`."""
        if isinstance(value, functools.partial):
            self.search(value.func)
            return
        if isinstance(value, types.MethodType):
            self.search(value.__func__)
            self.search(value.__self__)
            return
        if isinstance(value, types.ModuleType):
            if not is_installed(value.__name__) and (value.__name__, *sorted(names)) not in self._seen:
                self._seen.add((value.__name__, *sorted(names)))
                for name in sorted(names):
                    self.search(vars(value).get(name), names)
            return
        function = inspect.unwrap(value) if callable(value) and hasattr(value, "__wrapped__") else value
        function = getattr(function, "py_func", function) if callable(function) else function
        if isinstance(function, types.FunctionType):
            self._search_function(function)
            return
        self._search_class(value if isinstance(value, type) else type(value))

    def _search_class(self, kind: type) -> None:
        if is_installed_class(kind) or kind in self._seen:
            return
        self._seen.add(kind)
        own = [base for base in kind.__mro__ if not is_installed_class(base)]
        for member in [member for base in own for member in vars(base).values()]:
            for function in functions_in(member):
                for place in places_changed(function.__code__):
                    self.found |= {(id(base), name) for base in own for name in _changed_members(place)}
                self._search_function(function)

    def _search_function(self, function: types.FunctionType) -> None:
        seen = (function.__code__, *map(id, function.__closure__ or ()))
        if seen in self._seen or (function.__module__ and is_installed(function.__module__)):
            return
        self._seen.add(seen)
        around = variables_around(function)
        for place in places_changed(function.__code__):
            self._add(place, around, function)
        names = names_in(function.__code__)
        for _, value in around.values():
            self.search(value, names)

    def _add(self, place: Place, around: Mapping[str, tuple[Key, object]], function: types.FunctionType) -> None:
        if place.local:
            return
        # a variable that is only assigned is not read
        key, value = around.get(place.variable, ((id(function.__globals__), place.variable), None))
        if not isinstance(value, types.ModuleType | type):
            self.found.add(key)
        elif place.path:
            self.found.add((id(vars(value)) if isinstance(value, types.ModuleType) else id(value), place.path[0]))


def _changed_members(place: Place) -> tuple[str, ...]:
    """Return the member of the class that a method changes; an attribute that it gives to the object is another one."""
    path = place.path
    if place.variable == "__class__" or path[:1] == ("__class__",):
        return path[path[:1] == ("__class__",) :][:1]
    if place.variable == "cls" or (place.variable == "self" and len(path) > 1):
        return path[:1]
    return ()
