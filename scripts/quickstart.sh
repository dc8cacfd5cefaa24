#!/usr/bin/env bash
# From nothing to disks turned into triangles, on a CPU or a GPU: bash scripts/quickstart.sh
#
# Makes an environment, draws the shapes dataset, trains InstaGAN for 300 steps, translates the test
# pictures and measures how good they are; then trains a mask predictor, with which pictures that have
# no masks are translated. Translations are pasted on the picture they came from, in
# training too (docs/recipe.md), which is why so few steps are enough. Arguments are handed on to
# train.py: --logger visdom for the live dashboard.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"
setup_env
cd "$root"
begin=$SECONDS
rm -rf {checkpoints,results}/quickstart checkpoints/quickstart_masks # of an earlier quickstart

echo "== data: drawing datasets/quickstart (A: disks, B: triangles)"
"$python" datasets/generate_shapes_dataset.py --save_root datasets/quickstart --size 64

echo "== training: both directions, 3 epochs of 100 steps; watch checkpoints/quickstart/web/index.html"
"$python" train.py --dataroot datasets/quickstart --name quickstart \
    --load_size 64 --crop_size 64 --ngf 16 --ndf 16 --n_blocks 2 --batch_size 4 \
    --niter 1 --niter_decay 2 --precision auto --ins_max 2 --ins_per 2 --paste 0 --paste_on fill \
    --logger none --print_freq 100 --update_html_freq 200 --save_epoch_freq 100 "$@"

echo "== translating the test pictures, and measuring how good they are"
"$python" evaluate.py --dataroot datasets/quickstart --name quickstart

echo "== pictures without masks: training what finds them, and translating pictures that are in no dataset"
"$python" train.py --dataroot datasets/quickstart --name quickstart_masks --model mask_predictor \
    --load_size 64 --crop_size 64 --ngf 16 --niter 2 --niter_decay 2 \
    --logger none --print_freq 400 --no_html --save_epoch_freq 100
"$python" datasets/generate_shapes_dataset.py --save_root datasets/unseen --size 64 --train 1 --test 8 --seed 1
"$python" translate.py --name quickstart --masks auto:quickstart_masks datasets/unseen/testA \
    --out results/quickstart/unseen

minutes=$(((SECONDS - begin + 30) / 60))
echo "== done in about $minutes min (installation not counted). Open this page in a browser:"
echo "   $root/results/quickstart/test_latest/index.html"
echo "   and try: python translate.py --name quickstart --masks auto:quickstart_masks YOUR_PICTURE.png"
