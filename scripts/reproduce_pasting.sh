#!/usr/bin/env bash
# How --paste is best done, on drawn shapes: bash scripts/reproduce_pasting.sh [--dry_run]
#
# Trains the quickstart's InstaGAN with several seams and three seeds and scores them; can be stopped and
# started again. Rows go into docs/results/pasting, the table and pictures into docs/results.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec "${PYTHON:-python3}" scripts/reproduce/pasting.py "$@"
