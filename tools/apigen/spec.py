"""Loads and checks an API spec (api/*.toml). Everything the emitters use is resolved here; a mistake is a SpecError that
names the function, the parameter and what would be right."""

import re
import tomllib
from dataclasses import dataclass, field

import sizes

CLASSES = ("query", "create", "destroy", "launch", "transfer", "sync", "set")
HANDLERS = ("hook", "generated")
DIRECTIONS = ("in", "out", "inout")
VALUE_KINDS = ("property_list", "address", "binaries")  # besides the kinds of handles
FUNCTION_KEYS = {
    "name", "since", "deprecated", "extension", "alias", "class", "handler", "counts", "export", "null", "returns",
    "returns_size", "params",
}
PARAM_KEYS = {
    "name", "type", "dir", "size", "each", "filled", "optional", "values", "fields", "argument", "blocking", "user_data",
    "error",
}


class SpecError(ValueError):
    """The spec is wrong; the message says where and what would be right."""


@dataclass(frozen=True)
class Handle:
    c_type: str
    kind: str
    object: str
    invalid: str


@dataclass
class Param:
    name: str
    type: str
    dir: str = "in"
    size: sizes.Size = sizes.Size()
    each: sizes.Each = sizes.Each()
    handle: Handle | None = None  # of the value, or of the elements behind the pointer
    pointer: bool = False
    callback: bool = False
    filled: int = -1
    optional: bool = False
    values: dict = field(default_factory=dict)
    selector: int = -1  # the parameter whose value selects from |values|; -1: the keys of the list itself
    fields: dict = field(default_factory=dict)
    argument: bool = False
    blocking: bool = False
    user_data: int = -1
    error: str = ""

    def declare(self):
        return declare(self.type, self.name)


@dataclass
class Function:
    name: str
    since: str
    policy: str
    returns: str
    params: list
    deprecated: str = ""
    extension: str = ""
    alias: str = ""
    handler: str = ""
    counts: str = ""
    export: bool = False
    null: str = ""
    returns_handle: Handle | None = None
    returns_size: sizes.Size = sizes.Size()
    id: int = 0

    def signature(self):
        return ", ".join(param.declare() for param in self.params)

    def version(self):
        """The version of OpenCL that brought it: 120 for 1.2."""
        major, minor = self.since.split(".")
        return int(major) * 100 + int(minor) * 10

    def has(self, name):
        return any(param.name == name for param in self.params)


@dataclass
class Spec:
    api: str
    handles: dict
    callbacks: dict
    unsupported: list
    functions: list

    def own(self):
        """The functions that are not aliases: one table entry, one handler and one call ID each."""
        return [function for function in self.functions if not function.alias]

    def by_name(self, name):
        return next(function for function in self.functions if function.name == name)


def declare(c_type, name):
    """A C++ declaration of |name|: "const size_t *" and "x" make "const size_t* x"."""
    return f"{c_type.replace(' *', '*')} {name}".strip()


def _keys(table, known, where):
    for key in table:
        if key not in known:
            raise SpecError(f'{where}: unknown key "{key}"; known are {", ".join(sorted(known))}')


def _need(table, key, where):
    if key not in table:
        raise SpecError(f'{where}: "{key}" is missing')
    return table[key]


def _one_of(value, choices, what, where):
    if value not in choices:
        raise SpecError(f'{where}: {what} "{value}" is none of {", ".join(choices)}')
    return value


def _name_index(name, names, what, where):
    if name not in names:
        raise SpecError(f'{where}: {what} "{name}" is no parameter of this function; it has: {", ".join(names)}')
    return names.index(name)


class _Loader:
    def __init__(self, document, source):
        self.document = document
        self.source = source

    def load(self):
        api = _need(_need(self.document, "api", self.source), "name", f"{self.source}: [api]")
        self.handles = {
            c_type: Handle(c_type, row["kind"], row["object"], row["invalid"])
            for c_type, row in self.document.get("handles", {}).items()
        }
        self.kinds = [handle.kind for handle in self.handles.values()]
        self.callbacks = self.document.get("callbacks", {})
        functions = [self.function(row) for row in _need(self.document, "function", self.source)]
        self.check_names(functions)
        self.check_aliases(functions)
        unsupported = self.document.get("icd", {}).get("unsupported", [])
        return Spec(api, self.handles, self.callbacks, unsupported, functions)

    def function(self, row):
        where = f"{self.source}: {row.get('name', 'a function without a name')}"
        _keys(row, FUNCTION_KEYS, where)
        name = _need(row, "name", where)
        alias = row.get("alias", "")
        rows = _need(row, "params", where)
        names = [_need(param, "name", f"{where}: a parameter") for param in rows]
        if len(set(names)) != len(names):
            raise SpecError(f"{where}: a parameter's name is there twice")
        since = _need(row, "since", where)
        if not re.fullmatch(r"\d\.\d", since):
            raise SpecError(f'{where}: since "{since}" is no version like "1.2"')
        function = Function(
            name=name, since=since, policy=_one_of(_need(row, "class", where), CLASSES, "class", where),
            returns=_need(row, "returns", where), params=[self.param(param, names, where) for param in rows],
            deprecated=row.get("deprecated", ""), extension=row.get("extension", ""), alias=alias,
            counts=row.get("counts", ""), export=row.get("export", False), null=row.get("null", ""))
        self.handler(function, row, where)
        self.returned(function, row, names, where)
        return function

    def handler(self, function, row, where):
        if function.alias:
            if "handler" in row:
                raise SpecError(f"{where}: an alias has the handler of {function.alias}; remove its own")
            return
        function.handler = _one_of(_need(row, "handler", where), HANDLERS, "handler", where)
        if function.counts:
            _one_of(function.counts, ("retain", "release"), "counts", where)
            if len(function.params) != 1 or function.params[0].handle is None:
                raise SpecError(f"{where}: a function that counts references takes one handle and nothing else")
        elif function.handler == "generated" and not any(p.handle and not p.pointer for p in function.params):
            raise SpecError(f"{where}: a generated handler needs a handle that says which driver to call; make it a hook")

    def returned(self, function, row, names, where):
        function.returns_handle = self.handles.get(function.returns)
        if function.returns.endswith("*"):
            function.returns_size = self.size(_need(row, "returns_size", where), names, where)
        elif "returns_size" in row:
            raise SpecError(f"{where}: returns_size is for a returned pointer")

    def param(self, row, names, function_where):
        where = f"{function_where}({row['name']})"
        _keys(row, PARAM_KEYS, where)
        c_type = _need(row, "type", where)
        pointer = c_type.endswith("*")
        param = Param(name=row["name"], type=c_type, pointer=pointer, callback=c_type in self.callbacks,
                      optional=row.get("optional", False), argument=row.get("argument", False),
                      blocking=row.get("blocking", False), error=row.get("error", ""), fields=row.get("fields", {}))
        param.handle = self.handles.get(c_type.removesuffix("*").replace("const ", "").strip())
        if pointer:
            self.pointer(param, row, names, where)
        elif row.keys() & {"size", "each", "dir", "filled"}:
            raise SpecError(f"{where}: size, each, dir and filled are for pointers")
        if param.callback:
            param.user_data = _name_index(_need(row, "user_data", where), names, "user_data", where)
        self.values(param, row, names, where)
        return param

    def pointer(self, param, row, names, where):
        if not param.type.startswith("const ") and "dir" not in row:
            raise SpecError(f"{where}: dir is missing; only a pointer to const is \"in\" by itself")
        param.dir = _one_of(row.get("dir", "in"), DIRECTIONS, "dir", where)
        if param.type.startswith("const ") and not param.type.endswith("**") and param.dir != "in":
            raise SpecError(f"{where}: a pointer to const cannot be \"{param.dir}\"")
        param.size = self.size(_need(row, "size", where), names, where)
        if param.type.endswith("**"):
            try:
                param.each = sizes.parse_each(_need(row, "each", where), names)
            except sizes.SizeError as error:
                raise SpecError(f"{where}: {error}") from None
        if "filled" in row:
            param.filled = _name_index(row["filled"], names, "filled", where)

    def values(self, param, row, names, where):
        param.values = row.get("values", {})
        for kind in [*param.values.values(), *param.fields.values()]:
            _one_of(kind, [*self.kinds, *VALUE_KINDS], "kind", where)
        if param.values and param.size.form != "kPropertyList":
            param.selector = _name_index("param_name", names, "the selector", where)

    @staticmethod
    def size(text, names, where):
        try:
            return sizes.parse_size(text, names)
        except sizes.SizeError as error:
            raise SpecError(f"{where}: {error}") from None

    def check_names(self, functions):
        seen = set()
        for function in functions:
            if function.name in seen:
                raise SpecError(f"{self.source}: {function.name} is there twice")
            seen.add(function.name)

    def check_aliases(self, functions):
        known = {function.name: function for function in functions if not function.alias}
        for function in functions:
            if not function.alias:
                continue
            where = f"{self.source}: {function.name}"
            if function.alias not in known:
                raise SpecError(f'{where}: alias "{function.alias}" is no function of this spec, or an alias itself')
            target = known[function.alias]
            if [p.type for p in target.params] != [p.type for p in function.params] or target.returns != function.returns:
                raise SpecError(f"{where}: its signature differs from {target.name}'s, so it cannot be an alias of it")


def load_text(text, source="spec"):
    """The Spec in |text|. Raises SpecError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{source}: {error}") from None
    return _Loader(document, source).load()


def load(path):
    """The Spec in the file |path|. Raises SpecError."""
    return load_text(path.read_text(encoding="utf-8"), path.name)
