#!/usr/bin/env bash
# Trains INIT (Shen et al., CVPR 2019) with the paper's settings, and translates the test pictures:
#
#   bash scripts/train_init.sh DATAROOT NAME [options of train.py]
#   PRESET=coco bash scripts/train_init.sh DATAROOT NAME
#
# PRESET street, the default: pictures with a shorter side of 360, objects of 120x120, networks shared by both. coco,
# as the paper augments COCO: pictures as large as they are (generate_init_dataset.py --image_size 0), crops of 360x360,
# and networks of their own for objects.
# Stopped and typed again, it goes on where it was.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
if [ $# -lt 2 ]; then
    echo "error: name the data and the run: bash scripts/train_init.sh DATAROOT NAME [options of train.py]" >&2
    exit 2
fi
data=$1 name=$2
shift 2
case ${PRESET:-street} in
    street) preset=(--obj_size 120) ;;
    coco) preset=(--preprocess enlarge_and_crop --crop_size 360 --obj_size 120 --objects_own enc dec D) ;;
    *)
        echo "error: PRESET=$PRESET: street or coco" >&2
        exit 2
        ;;
esac
also=() # what the translation has to know as well
dry=0
args=("$@")
for ((i = 0; i < $#; i++)); do
    case ${args[i]} in
        --dry_run) dry=1 ;;
        --checkpoints_dir | --gpu_ids | --suffix) also+=("${args[i]}" "${args[i + 1]-}") ;;
        --checkpoints_dir=* | --gpu_ids=* | --suffix=*) also+=("${args[i]}") ;;
    esac
done
"$python" train.py --dataroot "$data" --model init --name "$name" --resume auto "${preset[@]}" \
    --niter 100 --niter_decay 0 "$@"
[ "$dry" = 0 ] || exit 0
"$python" test.py --dataroot "$data" --name "$name" --synchronized ${also[@]+"${also[@]}"}
