# What the scripts share. To be sourced, with `set -euo pipefail` on.

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)

# What the build needs beyond a Swift toolchain.
build_packages=(pkg-config libtraceevent-dev libtracefs-dev libyaml-dev libzstd-dev zlib1g-dev)
# What the tests compare with and check by.
test_packages=(trace-cmd strace python3-jsonschema python3-yaml libxml2-utils)
# What lazytlb is measured beside.
bench_packages=(trace-cmd libtracecmd-dev gcc python3)

fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# Says on a terminal what takes its time.
progress() {
    if [[ -t 2 ]]; then echo "${0##*/}: $*" >&2; fi
}

# Runs a command. What it prints is shown, on standard error, only if it fails.
quietly() {
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 </dev/null || status=$?
    if ((status != 0)); then cat "$log" >&2; fi
    rm -f "$log"
    return "$status"
}

# Installs those of the given Debian packages that are missing. Elsewhere than on Debian and its kin, the build tells what it lacks.
install_missing() {
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then return 0; fi
    local package missing=()
    for package; do
        if ! dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed; then missing+=("$package"); fi
    done
    if ((${#missing[@]} == 0)); then return 0; fi
    local as_root=()
    if ((EUID != 0)); then
        if ! command -v sudo >/dev/null; then fail "as root, please: apt-get install ${missing[*]}"; fi
        as_root=(sudo)
    fi
    progress "installing ${missing[*]}"
    # One unreachable repository of several is no reason to stop: whether the packages can be had shows below.
    quietly "${as_root[@]}" apt-get update -qq || true
    quietly "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" ||
        fail "cannot install ${missing[*]}"
}

need_swift() {
    if ! command -v swift >/dev/null; then fail "no Swift toolchain in PATH: see https://www.swift.org/install"; fi
}

# Builds the release binary of a product (default: lazytlb) if a source is newer than its last build, and sets $binary.
build_release() {
    local product=${1:-lazytlb}
    binary=$root/.build/release/$product
    local stamp=$root/.build/$product.stamp
    if [[ -x $binary && -e $stamp ]] &&
        [[ -z $(find "$root/Sources" "$root/Package.swift" "$root/tools/common.bash" -newer "$stamp" -print -quit) ]]; then
        return 0
    fi
    need_swift
    install_missing "${build_packages[@]}"
    progress "building, which takes some minutes the first time"
    mkdir -p "$root/.build"
    # Marked before the build: what changes during it is built the next time.
    touch "$stamp.new"
    # With Swift's libraries in it the program starts in two thirds of the time, and runs where there is no Swift.
    local options=()
    if [[ -d $(swift_tools)/../lib/swift_static ]]; then options=(--static-swift-stdlib); fi
    # Generic types are not looked up by name when they are first needed, for which the runtime goes through all conformances of the program: a tenth of the start.
    # And each function has a section of its own, so that the linker leaves out those that nothing calls: another tenth, since what is called lies closer together.
    local flag
    for flag in -disable-concrete-type-metadata-mangled-name-accessors -function-sections; do
        if "$(swift_tools)/swiftc" -typecheck -Xfrontend "$flag" - </dev/null &>/dev/null; then options+=(-Xswiftc -Xfrontend -Xswiftc "$flag"); fi
    done
    local build=(swift build --package-path "$root" -c release "${options[@]}" --product "$product")
    # Without any shared library it starts in three quarters of the time, and runs anywhere. (The C library refuses to start such a program if it names a path for shared ones.)
    # If that does not work out, whatever the reason, it is built with them.
    if [[ $product != lazytlb ]] || ! has_static_libraries || ! LAZYTLB_STATIC=1 "${build[@]}" --disable-local-rpath &>/dev/null || ! "$binary" --version &>/dev/null; then
        quietly "${build[@]}" || fail "the build failed"
    fi
    # The linker writes through a mapping, and leaves the file in the page cache page by page. Once copied it lies there in large pieces, as it does when it is read from the disk:
    # a tenth fewer page faults, and an eighth of the start.
    cp "$binary" "$binary.new"
    mv "$binary.new" "$binary"
    mv "$stamp.new" "$stamp"
}

# Where the toolchain's programs are.
swift_tools() { dirname "$(readlink -f "$(command -v swift)")"; }

# Whether there is a static one of each library that the program links to, and a linker for them.
has_static_libraries() {
    local tools file
    tools=$(swift_tools)
    [[ -x $tools/clang && -x $tools/ld.lld && -d $tools/../lib/swift_static ]] || return 1
    for file in crt1.o lib{traceevent,tracefs,yaml,zstd,z,stdc++,m,c,gcc_eh}.a; do
        # The name alone if there is none.
        [[ $("$tools/clang" -print-file-name="$file") == /* ]] || return 1
    done
}
