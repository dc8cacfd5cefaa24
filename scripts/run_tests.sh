#!/usr/bin/env bash
# Runs the whole test suite: bash scripts/run_tests.sh [pytest arguments]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"
setup_env
cd "$root"
echo "== ruff"
"$python" -m ruff check .
"$python" -m ruff format --check .
echo "== pytest"
exec "$python" -m pytest "$@"
