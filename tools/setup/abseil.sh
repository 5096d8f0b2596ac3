#!/usr/bin/env bash
# Builds Abseil as position-independent static archives into build/deps/abseil: the shim is a shared library that links Abseil
# statically, and the archives of Debian's libabsl-dev are not made for that. The source is Debian's own source package, at
# the version of the installed libabsl-dev, so headers and archives agree. Does nothing when that was done before.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tools/setup/lib.sh

version=$(dpkg-query -W -f='${Version}' libabsl-dev) || fail "libabsl-dev is not installed; run ./dev setup"
target="$PWD/build/deps/abseil"
[ "$(cat "$target/version" 2>/dev/null)" = "$version" ] && exit 0

work="$PWD/build/deps/abseil-work"
rm -rf "$work" "$target"
mkdir -p "$work"/{sources,lists/partial,cache/archives/partial,source} "$target"

# The machine's own package sources, asked for source packages, with lists kept apart from the system's.
shopt -s nullglob
for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian*.list /etc/apt/sources.list.d/debian*.sources; do
  [ -f "$file" ] || continue
  sed -e 's/^Types:.*/Types: deb-src/' -e 's/^deb /deb-src /' "$file" >"$work/sources/$(basename "$file")"
  [ -s "$work/sources/$(basename "$file")" ] || rm "$work/sources/$(basename "$file")"
done
apt=(apt-get -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$work/sources"
  -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache")

say "building Abseil $version for the shim"
log=out/setup-abseil.log
run_logged "$log" "${apt[@]}" update
(cd "$work/source" && run_logged "$work/../../../$log" "${apt[@]}" source "abseil=$version")
source_directory=$(echo "$work"/source/abseil-*/)
launcher=()
command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
run_logged "$log" cmake -S "$source_directory" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_STANDARD=17 \
  -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DBUILD_SHARED_LIBS=OFF -DABSL_PROPAGATE_CXX_STD=ON -DBUILD_TESTING=OFF \
  -DCMAKE_CXX_VISIBILITY_PRESET=hidden "-DCMAKE_INSTALL_PREFIX=$target" "${launcher[@]}"
run_with_progress "$log" cmake --build "$work/build" -j "$(build_jobs)" --target status statusor strings str_format_internal cord hash raw_hash_set synchronization
find "$work/build" -name 'libabsl_*.a' -exec cp {} "$target/" \;
rm -rf "$work"
echo "$version" >"$target/version"
