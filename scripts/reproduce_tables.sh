#!/usr/bin/env bash
# Tables 1 and 2 of the paper, on CCP pants <-> shorts and COCO sheep <-> giraffe: bash scripts/reproduce_tables.sh --size 300 200
#
# Trains CycleGAN, InstaGAN and InstaGAN with --paste at the size that is given and scores them on training and test pictures;
# can be stopped and started again. Rows go into docs/results, tables into docs/results.md. --help has more.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec "${PYTHON:-python3}" scripts/reproduce/photos.py "$@"
