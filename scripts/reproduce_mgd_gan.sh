#!/usr/bin/env bash
# MGD-GAN beside InstaGAN and its baselines, on drawn shapes: bash scripts/reproduce_mgd_gan.sh [--dry_run]
#
# Trains every method for about as long, with three seeds, and scores it; can be stopped and started again. Rows
# go into docs/results/mgd_gan, the tables and pictures into docs/mgd_gan.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec "${PYTHON:-python3}" scripts/reproduce/mgd_gan.py "$@"
