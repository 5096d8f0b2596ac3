"""Runs every emitter over every spec and writes, or compares, the results."""

import emit_dispatch
import emit_hooks
import emit_info
import emit_null
import emit_shim
import emit_wire
import emit_wire_serve
import lock
import spec as spec_module
from icd import ICD_SLOTS


def outputs(spec):
    """{file name: contents} of src/generated/<api>."""
    return {
        "dispatch_table.h": emit_dispatch.header(spec),
        "dispatch_table.cc": emit_dispatch.source(spec, ICD_SLOTS),
        "hooks.h": emit_hooks.header(spec),
        "call_info.h": emit_info.header(spec),
        "call_info.cc": emit_info.source(spec),
        "entry_points.h": emit_shim.entry_header(spec),
        "entry_points.cc": emit_shim.entry_source(spec),
        "icd_dispatch.h": emit_shim.icd_header(spec),
        "icd_dispatch.cc": emit_shim.icd_source(spec, ICD_SLOTS),
        "null_driver_gen.h": emit_null.header(spec),
        "null_driver_gen.cc": emit_null.source(spec),
        "null_driver_tables.cc": emit_null.tables(spec, ICD_SLOTS),
        "wire_codec.h": emit_wire.header(spec),
        "wire_encode.cc": emit_wire.encode(spec),
        "wire_answers.cc": emit_wire.answers(spec),
        "wire_serve.cc": emit_wire_serve.source(spec),
    }


def run(root, check, lock_base=None):
    """The paths (relative to |root|) that were not current; they are written unless |check|."""
    lock_path = root / "api" / "call_ids.lock"
    old_lock = new_lock = lock_path.read_text(encoding="utf-8")
    files = {}
    for path in sorted((root / "api").glob("*.toml")):
        spec = spec_module.load(path)
        new_lock = lock.extend(new_lock, spec)
        lock.assign(new_lock, spec)
        for name, contents in outputs(spec).items():
            files[root / "src" / "generated" / spec.api / name] = contents
    if lock_base is not None:
        lock.check_append_only(lock_base.read_text(encoding="utf-8"), new_lock)
    files[lock_path] = new_lock
    return _write(root, files, check)


def _write(root, files, check):
    changed = []
    for path, contents in files.items():
        if path.exists() and path.read_text(encoding="utf-8") == contents:
            continue
        changed.append(path.relative_to(root))
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(contents, encoding="utf-8")
    return changed
