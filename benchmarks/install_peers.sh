#!/usr/bin/env bash
# Install the libraries that Gyral is measured against, all under benchmarks/.peers (or $GYRAL_PEERS).
# Each is optional: one that cannot be installed is named at the end and left out of the benchmarks.
#   benchmarks/install_peers.sh [numpy|numba|taichi|warp|jax|pykka|thespian|pocl|ispc ...]     (default: all of them)
set -uo pipefail

root=${GYRAL_PEERS:-$(cd "$(dirname "$0")" && pwd)/.peers}
python=${PYTHON:-python3}
log=$root/install.log
installed=()
left_out=()

declare -A requirement=(
  [numba]='numba==0.68.1'
  [taichi]='taichi==1.7.4'
  [warp]='warp-lang==1.19.0'
  [jax]='jax==0.10.2 jaxlib==0.10.2'
  [pocl]='pyopencl==2026.1.4'
  [pykka]='pykka==4.5.0'
  [thespian]='thespian==4.0.1'
)

say() { printf '%s\n' "$*"; }

keep() { # keep NAME COMMAND...: run the command, then list NAME as installed or as left out
  local name=$1
  shift
  say "installing $name ..."
  if "$@" >>"$log" 2>&1; then installed+=("$name"); else left_out+=("$name"); fi
}

venv() {
  [ -x "$root/venv/bin/python" ] || "$python" -m venv "$root/venv" || return 1
  "$root/venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade pip 'numpy>=2,<3'
}

python_peer() { # the module must import too: a wheel can install and still not load
  # shellcheck disable=SC2086
  "$root/venv/bin/python" -m pip install --quiet --disable-pip-version-check ${requirement[$1]} || return 1
  [ "$1" = pocl ] || "$root/venv/bin/python" -c "import $1"
}

pocl() { # the Python binding from the package index, the OpenCL driver from the system's packages
  python_peer pocl || return 1
  if ! ls /etc/OpenCL/vendors/pocl.icd >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || { echo "PoCL's driver needs root: apt-get install pocl-opencl-icd ocl-icd-libopencl1"; return 1; }
    apt-get update || true
    apt-get install --yes --no-install-recommends pocl-opencl-icd ocl-icd-libopencl1 || return 1
  fi
  "$root/venv/bin/python" -c 'import pyopencl; assert any("Portable" in p.name for p in pyopencl.get_platforms())'
}

ispc_packages() { # download and unpack ISPC and the libraries it needs, without touching the system's own
  local apt mirror options
  mkdir -p "$root"/ispc/{root,debs,lists/partial,cache/archives/partial,sources}
  apt=$root/ispc
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
  [ -n "$mirror" ] || { echo "no package mirror is configured on this machine"; return 1; }
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$apt/sources/trixie.list"
  options=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$apt/sources" -o "Dir::State::lists=$apt/lists"
    -o "Dir::Cache=$apt/cache" -o "APT::Sandbox::User=$(id -un)")
  apt-get "${options[@]}" update || return 1
  (cd "$apt/debs" && apt-get "${options[@]}" download ispc/trixie libllvm19/trixie libc6/trixie libstdc++6/trixie \
    libgcc-s1/trixie libffi8/trixie libedit2/trixie libz3-4/trixie zlib1g/trixie libzstd1/trixie libxml2/trixie \
    libtinfo6/trixie libbsd0/trixie liblzma5/trixie libmd0/trixie libicu76/trixie) || return 1
  local deb
  for deb in "$apt"/debs/*.deb; do dpkg -x "$deb" "$apt/root" || return 1; done
}

ispc() { # $root/bin/ispc: the one on the path, else Debian trixie's, run through its own dynamic loader
  local found libraries
  mkdir -p "$root/bin"
  if found=$(type -P ispc) && [ "$found" != "$root/bin/ispc" ]; then
    ln -sf "$found" "$root/bin/ispc"
  else
    if [ "$(uname -m)" != x86_64 ] || ! command -v apt-get >/dev/null; then
      echo "no ispc on the path, and packages are had only on Debian for x86-64"
      return 1
    fi
    ls "$root"/ispc/root/usr/bin/ispc >/dev/null 2>&1 || ispc_packages || return 1
    libraries=$root/ispc/root/usr/lib/x86_64-linux-gnu
    printf '#!/bin/sh\nexec "%s/ld-linux-x86-64.so.2" --library-path "%s" "%s" "$@"\n' \
      "$libraries" "$libraries" "$root/ispc/root/usr/bin/ispc" >"$root/bin/ispc"
    chmod +x "$root/bin/ispc"
  fi
  "$root/bin/ispc" --version
}

mkdir -p "$root"
: >"$log"
wanted=("$@")
[ ${#wanted[@]} -gt 0 ] || wanted=(numpy numba taichi warp jax pykka thespian pocl ispc)
for name in "${wanted[@]}"; do
  case $name in
    numpy) keep numpy venv ;;
    numba | taichi | warp | jax | pykka | thespian) venv >>"$log" 2>&1; keep "$name" python_peer "$name" ;;
    pocl) venv >>"$log" 2>&1; keep pocl pocl ;;
    ispc) keep ispc ispc ;;
    *) say "unknown peer: $name"; exit 2 ;;
  esac
done
command -v g++ >/dev/null && installed+=("g++") || left_out+=("g++ (install a C++ compiler)")

say "installed: ${installed[*]:-none}"
if [ ${#left_out[@]} -gt 0 ]; then say "left out:  ${left_out[*]} (see $log)"; fi
