#!/usr/bin/env bash
# Installs visdom, the live dashboard: bash scripts/install_visdom.sh [PYTHON]
#
# Its source package builds only with setuptools < 81. pip 25.3 and newer take constraints for the
# build from --build-constraint, older ones from PIP_CONSTRAINT.
set -euo pipefail

python=${1:-python3}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
constraint=$(mktemp)
trap 'rm -f "$constraint"' EXIT
echo 'setuptools<81' > "$constraint"

install=("$python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements-visdom.txt")
if "$python" -m pip install --help | grep -q -- --build-constraint; then
    "${install[@]}" --build-constraint "$constraint" ${PIP_ARGS:-}
else
    PIP_CONSTRAINT="$constraint" "${install[@]}" ${PIP_ARGS:-}
fi
