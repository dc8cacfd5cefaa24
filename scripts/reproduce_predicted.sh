#!/usr/bin/env bash
# Given masks against predicted ones (the paper's Figures 8 and 12): bash scripts/reproduce_predicted.sh [--dry_run]
#
# Trains each run in turn; can be stopped and started again. Rows go into docs/results/predicted_masks, tables and
# pictures into docs/predicted_masks.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec "${PYTHON:-python3}" scripts/reproduce/predicted_masks.py "$@"
