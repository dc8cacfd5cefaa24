#!/usr/bin/env bash
# Translates the test pictures of sheep <-> giraffe with all their instances, two at a time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec "${PYTHON:-python3}" test.py --dataroot ./datasets/shp2gir_coco --model insta_gan \
    --name shp2gir_coco_instagan --ins_per 2 --ins_max 20 "$@"
