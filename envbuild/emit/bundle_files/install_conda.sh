#!/bin/sh
# Installs this bundle into a new environment, without a network:
#
#     sh install.sh TARGET [--python EXE] [--installer pip|uv]
#
# The environment gets Python @PYTHON@ from channel/. What makes it needs Python 3.10 or later: the one
# on PATH, or where there is none the one in tools/, which is unpacked for that time. Every file is
# checked against SHA256SUMS before any is used: what is needed for it here, all the rest by
# install.py.
{ # the braces make the shell read the file to its end first: a truncated one runs nothing
set -eu

fail() {
    printf 'install.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

fits() {
    "$1" -I -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}

find_python() {
    for candidate in python3 python python3.10 python3.11 python3.12 python3.13 python3.14; do
        if command -v "$candidate" >/dev/null 2>&1 && fits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
}

sha256_of() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum <"$1" 2>/dev/null
    else
        shasum -a 256 <"$1" 2>/dev/null
    fi
}

checked() {
    recorded=$(sed -n "s|^\([0-9a-f]\{64\}\)  $1\$|\1|p" "$here/SHA256SUMS" 2>/dev/null || :)
    found=none
    [ ! -f "$here/$1" ] || found=$(sha256_of "$here/$1" || :)
    [ "$recorded" = "${found%% *}" ] \
        || fail "$1 is not the file that SHA256SUMS records; nothing was installed"
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
python=
previous=
for argument in "$@"; do
    case $previous in --python) python=$argument ;; esac
    case $argument in --python=*) python=${argument#--python=} ;; esac
    previous=$argument
done
if [ -n "$python" ]; then
    fits "$python" || fail "$python is not Python 3.10 or later"
else
    python=$(find_python)
fi
checked install.py
checked create_prefix.py
if [ -n "$python" ]; then
    exec "$python" -I "$here/install.py" "$@"
fi

case "$(uname -s) $(uname -m)" in
    'Linux x86_64') platform=linux-64 ;;
    'Linux aarch64') platform=linux-aarch64 ;;
    'Darwin x86_64') platform=osx-64 ;;
    'Darwin arm64') platform=osx-arm64 ;;
    *) platform=none ;;
esac
own="tools/python-$platform.tar"
[ -f "$here/$own" ] || fail 'there is no Python 3.10 or later on PATH; try: --python EXE. Or with
    micromamba or conda, as the head of conda-*.lock says, and then
    TARGET/bin/python -m pip install --no-index --find-links wheels --no-deps --require-hashes -r requirements.txt'
checked "$own"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
tar -xf "$here/$own" -C "$scratch"
"$scratch/bin/python" -I "$here/install.py" "$@" --python "$scratch/bin/python"
exit
}
