#!/usr/bin/env bash
# Builds with the sanitizers of a preset and runs the test programs beside the sources. They reach the shim (in a slice on
# PoCL, served by the test), the session and its threads, the agent over real sockets, the arbiter, the null driver, and
# the wire, transports, identities, sandboxes, lanes and loans of remote slices, with a client and its worker over
# connections that fail.
#   asan  everything is built, with clang, whose thread-safety analysis must be silent; every fuzz target runs for a
#         short while.
#   tsan  the conformance suite follows, over the machine's drivers, alone and beside a slice that saturates the XPU:
#         the shim and the suite are instrumented, agent and command are those of the release build.
# What else needs several programs of ours (tests/) can be run by hand:
#   cmake --build --preset asan && ctest --preset asan -LE 'native|fuzz'
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tools/setup/lib.sh
preset="${1:?usage: sanitize.sh asan|tsan}"

tests=(base_test slice_test session_test opencl_shim_test null_driver_test local_driver_test agent_test
  transport_test transport_tls_test transport_ucx_parts_test transport_ucx_test pki_test sandbox_test
  lane_test remote_test worker_test gateway_test remote_faults_test)
if [ "$preset" = asan ]; then
  # One thread, so nothing for the thread sanitizer.
  tests+=(arbiter_test arbiter_property_test device_test opencl_api_test opencl_test wire_test
    wire_opencl_test wire_codec_test worker_protocol_test scheduler_test sim_test)
  targets=(all)
else
  targets=("${tests[@]}" conformance saturate xpool_opencl_shim)
fi

run_logged "out/build-$preset.log" cmake --preset "$preset"
run_with_progress "out/build-$preset.log" cmake --build --preset "$preset" -j "$(build_jobs)" --target "${targets[@]}"

# Leaks: vendors' drivers and loaders keep what they allocate for the life of the process.
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
# Not the calls to __tls_get_addr: gcc 12's runtime takes what lies before a thread-local block that begins 16 bytes into a
# page for glibc 2.19's note of its size, and ends the program over it, once in a few hundred runs. Blocks come from
# malloc(), which it follows.
export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:intercept_tls_get_addr=0"
TSAN_OPTIONS+=":suppressions=$PWD/tools/checks/tsan.supp"
pattern=$(IFS='|' && echo "${tests[*]}")
ctest --preset "$preset" --output-on-failure -j "$(nproc)" -R "^($pattern)\$" --no-tests=error

if [ "$preset" = asan ]; then
  ctest --preset "$preset" --output-on-failure -j "$(nproc)" -L fuzz --no-tests=error
  exit
fi
run_logged out/build-release.log cmake --preset release
run_with_progress out/build-release.log cmake --build --preset release -j "$(build_jobs)" --target xpool xpoold
for mode in slice contended; do
  say "conformance in a slice ($mode)"
  run_logged "out/conformance-$preset.log" env XPOOL_SHIM_DIR="$PWD/build/$preset/lib" \
    /usr/bin/python3 tests/conformance/run_in_slice.py --build "$PWD/build/release" --mode "$mode" -- \
    "$PWD/build/$preset/bin/conformance" --gtest_brief=1
done
