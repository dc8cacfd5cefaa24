#!/usr/bin/env bash
# INIT beside MUNIT and CycleGAN, on drawn shapes by day and by night: bash scripts/reproduce_init.sh [--dry_run]
#
# Trains every method for as many steps, with three seeds, and scores it; can be stopped and started again. Rows
# go into docs/results/init, the table and pictures into docs/init.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec "${PYTHON:-python3}" scripts/reproduce/init.py "$@"
