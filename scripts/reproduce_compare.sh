#!/usr/bin/env bash
# All models on the same drawn shapes, for docs/compare.md: bash scripts/reproduce_compare.sh [--dry_run]
#
# Trains each, on top of what scripts/reproduce_mgd_gan.sh has scored; can be stopped and started again. Rows go into
# docs/results/compare, the table and the picture into docs/compare.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec "${PYTHON:-python3}" scripts/reproduce/compare.py "$@"
