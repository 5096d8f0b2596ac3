"""apigen: writes src/generated/<api> from api/<api>.toml.

  python3 tools/apigen            writes what changed, and appends call IDs for new functions to api/call_ids.lock
  python3 tools/apigen --check    writes nothing; exit status 1 and the differing files if something is not current
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import generate  # noqa: E402
from spec import SpecError  # noqa: E402


def main(argv=None):
    parser = argparse.ArgumentParser(prog="apigen", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--lock-base", type=pathlib.Path, metavar="FILE",
                        help="an older call_ids.lock: fail if one of its IDs is gone or changed")
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2],
                        help="the repository (default: the one this tool is in)")
    options = parser.parse_args(argv)
    try:
        changed = generate.run(options.root, options.check, options.lock_base)
    except (SpecError, OSError) as error:
        print(f"apigen: {error}", file=sys.stderr)
        return 2
    for path in changed:
        print(f"apigen: {path} {'is not current; run python3 tools/apigen' if options.check else 'written'}")
    return 1 if options.check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
