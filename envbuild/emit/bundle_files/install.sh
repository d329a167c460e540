#!/bin/sh
# Installs this bundle into a new environment, without a network:
#
#     sh install.sh TARGET [--python EXE] [--installer pip|uv]
#
# Needs Python @PYTHON@ and nothing else. Every file is checked against SHA256SUMS before any is
# used: install.py here, all the rest by install.py.
{ # the braces make the shell read the file to its end first: a truncated one runs nothing
set -eu

fail() {
    printf 'install.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

fits() {
    "$1" -I -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "@PYTHON@")' 2>/dev/null
}

find_python() {
    for candidate in python@PYTHON@ python3 python; do
        if command -v "$candidate" >/dev/null 2>&1 && fits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    fail 'there is no Python @PYTHON@ on PATH; try: --python EXE'
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
python=
previous=
for argument in "$@"; do
    case $previous in --python) python=$argument ;; esac
    case $argument in --python=*) python=${argument#--python=} ;; esac
    previous=$argument
done
if [ -z "$python" ]; then
    python=$(find_python)
elif ! fits "$python"; then
    fail "$python is not a Python @PYTHON@"
fi

"$python" -I -c '
import hashlib, sys
with open(sys.argv[1] + "/SHA256SUMS", encoding="utf-8") as lines:
    expected = [line[:64] for line in lines if line[64:].rstrip("\n") == "  install.py"]
with open(sys.argv[1] + "/install.py", "rb") as program:
    sys.exit(expected != [hashlib.sha256(program.read()).hexdigest()])
' "$here" 2>/dev/null || fail 'install.py is not the file that SHA256SUMS records; nothing was installed'

exec "$python" -I "$here/install.py" "$@"
}
