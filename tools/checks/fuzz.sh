#!/usr/bin/env bash
# Builds with clang, whose thread-safety analysis must be silent, and runs every fuzz target for a short while.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tools/setup/lib.sh

run_logged out/build-clang.log cmake --preset clang
run_with_progress out/build-clang.log cmake --build --preset clang -j "$(build_jobs)"
ctest --preset clang --output-on-failure -j "$(nproc)" -L fuzz --no-tests=error
