#!/usr/bin/env bash
# What --ema and --diffaug are worth with twenty pictures: bash scripts/reproduce_few_pictures.sh [--dry_run]
#
# Trains InstaGAN on twenty drawn pictures of each domain, pasting on the source, with three seeds and scores
# it; can be stopped and started again. Rows go into docs/results/few_pictures, the table into docs/results.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec "${PYTHON:-python3}" scripts/reproduce/few_pictures.py "$@"
