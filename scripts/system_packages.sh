#!/usr/bin/env bash
# Install the system's packages that tests use: compilers, an OpenCL and a Vulkan device that run on the processor,
# and Oclgrind. Nothing happens when all are there.
#
# On Debian and Ubuntu they are installed by apt, when this is root or sudo asks for no password. Elsewhere one
# line says what is missing, and the tests that need it are skipped.
set -euo pipefail

# Package, then what shows that it is there: a command, or a file pattern.
WANTED=(
    "g++ g++"
    "clang clang++"
    "pocl-opencl-icd /etc/OpenCL/vendors/pocl*.icd"
    "mesa-vulkan-drivers /usr/share/vulkan/icd.d/lvp_icd*.json"
    "libvulkan1 /usr/lib/*/libvulkan.so.1"
    "oclgrind oclgrind"
)

there() {
    case "$1" in
    /*) compgen -G "$1" >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

missing=()
for row in "${WANTED[@]}"; do
    there "${row#* }" || missing+=("${row%% *}")
done
if [ ${#missing[@]} -eq 0 ] || [ "$(uname -s)" != Linux ]; then
    exit 0
fi

if ! command -v apt-get >/dev/null; then
    root=none
elif [ "$(id -u)" -eq 0 ]; then
    root=env
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    root=sudo
else
    root=none
fi
if [ "$root" = none ]; then
    echo "system packages: some tests are skipped without ${missing[*]} (names as in Debian; install them to run all)" >&2
    exit 0
fi
echo "installing ${missing[*]}"
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
apt() {
    "$root" DEBIAN_FRONTEND=noninteractive apt-get "$@" >>"$log" 2>&1
}
# Lists may be old or absent; an update that fails for one source need not hinder the rest.
if ! apt install -y --no-install-recommends "${missing[@]}"; then
    apt update || true
    for package in "${missing[@]}"; do
        apt install -y --no-install-recommends "$package" ||
            echo "system packages: apt-get does not install $package, so that some tests are skipped: $(tail -n 1 "$log")" >&2
    done
fi
