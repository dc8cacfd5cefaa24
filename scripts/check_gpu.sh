#!/usr/bin/env bash
# Checks this project on a machine with GPUs, in at most 8 minutes: bash scripts/check_gpu.sh [OUT]
#
# Writes what it found into the folder OUT (./check_gpu); --help has more. Nothing is installed: it takes
# the Python of .venv, or python3 without one.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$root/.venv/bin/python
[ -x "$python" ] || python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    echo "error: $python is not Python 3.10 or newer: install one, or name it: PYTHON=python3.12 bash $0" >&2
    exit 2
fi
exec "$python" "$root/scripts/check_gpu.py" "$@"
