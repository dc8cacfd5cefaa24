#!/usr/bin/env bash
# Runs the whole test suite: [TEST_WORKERS=2] bash scripts/run_tests.sh [pytest arguments]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"
setup_env
cd "$root"
# A browser for the tests of pages. On a CI machine it is installed; elsewhere they are skipped without.
if [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null &&
    ! command -v chromium > /dev/null; then
    echo "== Chromium, for the tests of pages"
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } > /dev/null 2>&1 ||
        echo "note: Chromium could not be installed; the tests of pages are skipped"
fi
echo "== ruff"
"$python" -m ruff check .
"$python" -m ruff format --check .
echo "== pytest"
# One thread for each of two workers: the networks of the tests are too small to share.
OMP_NUM_THREADS=1 exec "$python" -m pytest --numprocesses "${TEST_WORKERS:-2}" --dist loadfile "$@"
