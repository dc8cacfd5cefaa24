#!/usr/bin/env bash
# Trains sheep <-> giraffe on COCO with the paper's settings (App. B): 200x200, 100 + 100 epochs, batch 4.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec "${PYTHON:-python3}" train.py --dataroot ./datasets/shp2gir_coco --model insta_gan \
    --name shp2gir_coco_instagan --loadSizeH 220 --loadSizeW 220 --fineSizeH 200 --fineSizeW 200 \
    --niter 100 --niter_decay 100 --batch_size 4 "$@"
