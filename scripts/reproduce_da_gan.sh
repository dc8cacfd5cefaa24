#!/usr/bin/env bash
# DA-GAN on digits, drawn shapes and an attention toy: bash scripts/reproduce_da_gan.sh [--dry_run]
#
# Trains the paper's Table 1a and baselines with three seeds, and scores them; can be stopped and started again. Rows
# go into docs/results/da_gan, the tables and pictures into docs/da_gan.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec "${PYTHON:-python3}" scripts/reproduce/da_gan.py "$@"
