#!/usr/bin/env bash
# Builds with the sanitizers of a preset (asan or tsan) and runs the tests that are meant for them: all but those labelled
# `native` (a driver of others alone) and `slow`, and for tsan `installed-driver`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tools/setup/lib.sh
preset="${1:?usage: sanitize.sh asan|tsan}"

run_logged "out/build-$preset.log" cmake --preset "$preset"
run_with_progress "out/build-$preset.log" cmake --build --preset "$preset" -j "$(build_jobs)"

# Leaks: vendors' drivers and loaders keep what they allocate for the life of the process.
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:suppressions=$PWD/tools/checks/tsan.supp"
excluded='native|slow|fuzz'
[ "$preset" = tsan ] && excluded+='|installed-driver'
ctest --preset "$preset" --output-on-failure -j "$(nproc)" -LE "$excluded"
