#!/usr/bin/env python3
"""Checks that includes run one way through src/ (docs/architecture.md, "Layers") and that no clock is read outside src/base.

Usage: layering.py [ROOT]. Exit status 1 with one line per breach.
"""
import re
import sys
from pathlib import Path

# A folder may include itself, what is listed for it, and all those may include in turn.
ALLOWED = {
    "base": [],
    "opencl": [],  # what the shim, the null driver and the codec share
    "generated": ["base", "shim/opencl"],  # entry points call the shim's hooks
    "backend/local": ["base", "generated"],
    "generated/opencl/null_driver": ["backend/null"],  # the null driver's generated half
    "backend/null": ["base", "opencl", "generated", "generated/opencl/null_driver"],
    "wire": ["base"],  # enters the program: no more than base and Abseil
    "generated/opencl/wire": ["wire_opencl"],  # the codec's generated half, and its tests
    "wire_opencl": ["base", "opencl", "wire", "generated"],
    "slice": ["base"],
    "lane": ["wire", "transport"],
    "transport": ["base"],  # enters the program, but for tls_*: no more than base and Abseil
    "pki": ["base", "transport"],  # links OpenSSL: never for what enters the program
    "arbiter": ["base"],
    "device": ["base", "backend/local"],
    "shim/opencl": ["base", "opencl", "slice", "generated", "backend/local", "backend/remote"],
    "agent": ["base", "slice", "arbiter", "device"],
    "backend/remote": ["base", "opencl", "lane", "pki", "wire_opencl", "generated/opencl/wire"],
    "gateway": ["base", "agent", "lane", "pki", "sandbox", "transport", "worker_protocol"],
    "daemon": ["agent", "gateway"],
    "worker_protocol": ["base", "wire"],
    "worker": ["base", "lane", "wire_opencl", "generated/opencl/wire", "sandbox", "slice", "shim/opencl",
               "worker_protocol"],
    "sandbox": ["base"],
    "cli": ["base", "slice", "pki", "backend/remote", "sim"],
    "scheduler": ["base"],
    "sim": ["base", "scheduler"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
CLOCK = re.compile(  # a call; the system calls' names alone may be written, as in a filter of them
    r"\b(?:(?:clock_gettime|gettimeofday)(?=\s*\()|(?:(?:steady|system|high_resolution)_clock::now|absl::Now)\b)")


def folder_of(path: str) -> str | None:
    """The layer that a path below src/ belongs to: a folder, or the files of one whose names begin alike."""
    for layer in sorted(ALLOWED, key=len, reverse=True):
        if path.startswith((layer + "/", layer + "_")):
            return layer
    return None


def reachable(layer: str) -> set[str]:
    seen: set[str] = set()
    todo = [layer]
    while todo:
        current = todo.pop()
        if current not in seen:
            seen.add(current)
            todo.extend(ALLOWED[current])
    return seen


def breaches(src: Path) -> list[str]:
    found = []
    for file in sorted([*src.rglob("*.h"), *src.rglob("*.cc")]):
        relative = file.relative_to(src).as_posix()
        layer = folder_of(relative)
        if layer is None:
            found.append(f"src/{relative}: its folder is in no layer; add it to {Path(__file__).name}")
            continue
        text = file.read_text(encoding="utf-8")
        allowed = reachable(layer)
        for target in INCLUDE.findall(text):
            other = folder_of(target)
            if other is not None and other not in allowed:
                found.append(f"src/{relative}: {layer} must not include {target}")
        if layer != "base" and not relative.endswith("_test.cc"):
            for match in CLOCK.finditer(text):
                line = text.count("\n", 0, match.start()) + 1
                found.append(f"src/{relative}:{line}: {match.group()} outside src/base; take a Clock or MonotonicNowNs()")
    return found


def main() -> int:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    src = root / "src"
    if not src.is_dir():
        print(f"{src} is no folder", file=sys.stderr)
        return 2
    found = breaches(src)
    print("\n".join(found) if found else "layering: ok")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
