#!/usr/bin/env bash
# Formatting, layering, generated code, file sizes, shell and clang-tidy. Run by `./dev lint` after a build; needs no network.
# shellcheck disable=SC2317  # check() calls the functions below by name
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit
status=0

check() {  # check NAME COMMAND...
  local name="$1"
  shift
  if output=$("$@" 2>&1); then
    printf 'ok    %s\n' "$name"
  else
    printf 'FAIL  %s\n%s\n' "$name" "$output"
    status=1
  fi
}

hand_written() { git ls-files '*.h' '*.cc' | grep -v '^src/generated/'; }
python_files() { git ls-files '*.py'; }

format_is_clean() { hand_written | xargs clang-format-14 --dry-run --Werror; }
no_long_files() {
  local long
  long=$({ hand_written; python_files; } | xargs wc -l | awk '$2 != "total" && $1 > 600 {print $2 " has " $1 " lines; 600 is the most"}')
  [ -z "$long" ] || { echo "$long"; return 1; }
}
no_loose_ends() {
  ! git grep -nIE '\b(TODO|FIXME|XXX)\b' -- '*.cc' '*.h' '*.py' '*.sh' '*.toml' ':!tools/checks/lint.sh'
}
shell_is_clean() { git ls-files '*.sh' dev .ci/run | xargs shellcheck -x -e SC1091; }
tidy_is_clean() {
  local files
  files=$(git ls-files 'src/**/*.cc' 'apps/**/*.cc' | grep -v -e '^src/generated/' -e '_test\.cc$')
  # shellcheck disable=SC2086
  printf '%s\n' $files | xargs -P "$(nproc)" -n 4 clang-tidy-14 -p build/release --quiet 2>/dev/null | grep -E 'warning:|error:' && return 1
  return 0
}
python_compiles() { python_files | xargs /usr/bin/python3 -m py_compile; }

check 'formatting (clang-format-14)' format_is_clean
check 'layering and clocks' /usr/bin/python3 tools/checks/layering.py
check 'generated code is current' /usr/bin/python3 tools/apigen --check
check 'no file past 600 lines' no_long_files
check 'no loose ends' no_loose_ends
check 'shell scripts (shellcheck)' shell_is_clean
check 'Python compiles' python_compiles
if [ "${XPOOL_LINT_TIDY:-1}" = 1 ]; then check 'clang-tidy' tidy_is_clean; fi
exit $status
