#!/bin/sh
# Prints the Python that makes the environment: $PYTHON if given, else the first one that is new enough and has venv.
found=""
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.14 python3.11}; do
    path=$(command -v "$candidate" 2>/dev/null) || continue
    "$path" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    found=$path
    "$path" -c 'import ensurepip, venv' 2>/dev/null || continue
    echo "$path"
    exit 0
done
if [ -n "$found" ]; then
    echo "conche: $found has no venv module: install it (Debian, Ubuntu: apt install $(basename "$found")-venv) or name another Python with make PYTHON=/path/to/python3" >&2
elif [ -n "${PYTHON:-}" ]; then
    echo "conche: PYTHON=$PYTHON is not a Python 3.11 or later" >&2
else
    echo "conche: Python 3.11 or later is missing: install it (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python) or name one with make PYTHON=/path/to/python3" >&2
fi
exit 1
