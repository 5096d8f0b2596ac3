"""Call IDs: api/call_ids.lock, append-only. A call has the same ID in every version of xpool that knows it."""

from spec import SpecError


def parse(text, source="call_ids.lock"):
    """[(api, id, name)] in the order of the file. Raises SpecError where IDs are not 1, 2, 3... for each API."""
    rows, last, names = [], {}, set()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split()
        if len(words) != 3 or not words[1].isdigit():
            raise SpecError(f'{source}:{number}: "{line}" is not "API ID FUNCTION"')
        api, call_id, name = words[0], int(words[1]), words[2]
        if call_id != last.get(api, 0) + 1:
            raise SpecError(f"{source}:{number}: ID {call_id} follows {last.get(api, 0)}; IDs count up by one, none is left out")
        if (api, name) in names:
            raise SpecError(f"{source}:{number}: {name} has an ID already")
        last[api] = call_id
        names.add((api, name))
        rows.append((api, call_id, name))
    return rows


def extend(text, spec):
    """|text| with an ID appended for each function of |spec| that has none."""
    rows = parse(text)
    known = {name for api, _, name in rows if api == spec.api}
    next_id = 1 + sum(1 for api, _, _ in rows if api == spec.api)
    for function in spec.own():
        if function.name not in known:
            text += f"{spec.api} {next_id} {function.name}\n"
            next_id += 1
    return text


def assign(text, spec):
    """Sets function.id from the lock |text|; an alias gets the ID of its target."""
    ids = {name: call_id for api, call_id, name in parse(text) if api == spec.api}
    for function in spec.functions:
        function.id = ids[function.alias or function.name]


def check_append_only(old, new):
    """Raises SpecError unless every row of |old| is in |new| unchanged."""
    kept = set(parse(new))
    for row in parse(old, "the older call_ids.lock"):
        if row not in kept:
            raise SpecError(f"call_ids.lock: \"{row[0]} {row[1]} {row[2]}\" was there and is gone or changed; IDs are append-only")
