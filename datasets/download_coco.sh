#!/usr/bin/env bash
# Downloads COCO 2017 (pictures and instance annotations, about 20 GB) and unpacks it:
#
#     bash datasets/download_coco.sh [FOLDER]      (default: datasets/coco)
#
# Run again after an interruption: it goes on where it stopped. COCO publishes no checksums; the
# archives carry one for every file, and all of them are checked. COCO_URL names a mirror;
# COCO_PARTS="val2017 annotations_trainval2017" fetches less.
set -euo pipefail

folder=${1:-$(dirname "${BASH_SOURCE[0]}")/coco}
url=${COCO_URL:-http://images.cocodataset.org}
parts=${COCO_PARTS:-annotations_trainval2017 val2017 train2017}

for tool in curl unzip; do
    command -v "$tool" > /dev/null || { echo "error: $tool is missing: install it" >&2; exit 2; }
done
mkdir -p "$folder"
cd "$folder"

fetch() { # part: the archive, as far as it is not here yet
    local part=$1 from=zips
    case $part in *annotations*) from=annotations ;; esac
    echo "== $url/$from/$part.zip"
    curl --fail --location --retry 5 --continue-at - --output "$part.zip" "$url/$from/$part.zip" || {
        echo "error: $url/$from/$part.zip cannot be fetched: is this machine online? What came is" \
            "kept in $folder, run the same command to go on" >&2
        exit 2
    }
}

for part in $parts; do
    if [ -f ".$part.done" ]; then
        echo "== $part: here already"
        continue
    fi
    unzip -tq "$part.zip" > /dev/null 2>&1 || fetch "$part"
    unzip -tq "$part.zip" > /dev/null || {
        rm -f "$part.zip"
        echo "error: $folder/$part.zip was broken and is deleted: run the same command again" >&2
        exit 2
    }
    unzip -qo "$part.zip"
    touch ".$part.done"
    rm "$part.zip"
done
echo "== done. Next: python datasets/generate_coco_dataset.py --data_root $folder --cat1 sheep --cat2 giraffe"
