#!/usr/bin/env bash
# Trains pants <-> shorts on CCP with the paper's settings (App. B): 300x200, 400 + 200 epochs, batch 4.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec "${PYTHON:-python3}" train.py --dataroot ./datasets/pnt2sht_ccp --model insta_gan \
    --name pnt2sht_ccp_instagan --loadSizeH 330 --loadSizeW 220 --fineSizeH 300 --fineSizeW 200 \
    --niter 400 --niter_decay 200 --batch_size 4 "$@"
