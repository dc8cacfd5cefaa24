#!/usr/bin/env bash
# Trains MGD-GAN (Su et al., IJCAI 2021) in its three stages, and translates the test pictures:
#
#   bash scripts/train_mgd_gan.sh DATAROOT NAME [options of train.py]
#   EPOCHS="1 2 1" bash scripts/train_mgd_gan.sh datasets/shapes shapes --load_size 64 --crop_size 64
#
# Backgrounds are made first, then NAME_mask and NAME_image are trained, and NAME starts from both. Stopped and
# typed again, it goes on where it was. EPOCHS are those of the three stages, the paper's are 100 200 50: half of
# them at the full rate, half while it falls. BACKGROUNDS are options of datasets/make_backgrounds.py. The
# results are NAME's: python evaluate.py --dataroot DATAROOT --name NAME.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
if [ $# -lt 2 ]; then
    echo "error: name the data and the run: bash scripts/train_mgd_gan.sh DATAROOT NAME [options of train.py]" >&2
    exit 2
fi
data=$1 name=$2
shift 2
read -r masks images last <<< "${EPOCHS:-100 200 50}"

also=()    # what the translation has to know as well
reading=() # and the making of backgrounds
args=("$@")
for ((i = 0; i < $#; i++)); do
    case ${args[i]} in
        --checkpoints_dir | --gpu_ids) also+=("${args[i]}" "${args[i + 1]-}") ;;
        --checkpoints_dir=* | --gpu_ids=*) also+=("${args[i]}") ;;
        --exif) reading+=("${args[i]}" "${args[i + 1]-}") ;;
        --exif=*) reading+=("${args[i]}") ;;
    esac
done

stage() { # stage, name, epochs, further options
    local stage=$1 run=$2 epochs=$3
    shift 3
    echo "== $stage: $run, $epochs epochs"
    "$python" train.py --dataroot "$data" --model mgd_gan --stage "$stage" --name "$run" --resume auto \
        --niter $((epochs - epochs / 2)) --niter_decay $((epochs / 2)) "$@"
}

if [ ! -f "$data/backgrounds.json" ]; then
    echo "== backgrounds of $data"
    # shellcheck disable=SC2086 # options are words
    "$python" datasets/make_backgrounds.py "$data" ${BACKGROUNDS:-} ${reading[@]+"${reading[@]}"}
fi
stage mask "${name}_mask" "$masks" "$@"
stage image "${name}_image" "$images" "$@"
stage finetune "$name" "$last" --start_from "${name}_mask" "${name}_image" "$@"
echo "== translating the test pictures"
"$python" test.py --dataroot "$data" --name "$name" ${also[@]+"${also[@]}"}
