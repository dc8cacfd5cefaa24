#!/usr/bin/env bash
# What each part of InstaGAN is worth (paper, Figures 9 and 10), on drawn shapes: bash scripts/reproduce_ablation.sh [--dry_run]
#
# Trains CycleGAN, CycleGAN+Seg and InstaGAN step by step, as in the paper and with --paste, with three seeds
# and scores them; can be stopped and started again. Rows go into docs/results/ablation, tables and pictures into docs/results.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec "${PYTHON:-python3}" scripts/reproduce/ablation.py "$@"
