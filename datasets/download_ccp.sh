#!/usr/bin/env bash
# Downloads Clothing Co-Parsing (2,098 photos and their annotations) from its repository:
#
#     bash datasets/download_ccp.sh [FOLDER]      (default: datasets/clothing-co-parsing)
#
# Run again after an interruption: photos come in twenty-one parts, and those that are here are not
# fetched again. git checks every file by its hash. CCP_URL names a mirror.
set -euo pipefail

folder=${1:-$(dirname "${BASH_SOURCE[0]}")/clothing-co-parsing}
url=${CCP_URL:-https://github.com/bearpaw/clothing-co-parsing}

command -v git > /dev/null || { echo "error: git is missing: install it" >&2; exit 2; }

offline() {
    echo "error: $url cannot be fetched: is this machine online? What came is kept in $folder," \
        "run the same command to go on" >&2
    exit 2
}

if [ -d "$folder/.git" ] && ! git --git-dir "$folder/.git" rev-parse --quiet --verify HEAD > /dev/null 2>&1; then
    rm -rf "$folder/.git" # of a download that was killed before it had the list of files
fi
if [ ! -d "$folder/.git" ]; then
    if [ -n "$(ls -A "$folder" 2> /dev/null)" ]; then
        echo "error: $folder exists and is no download of this script: name another folder" >&2
        exit 2
    fi
    # The list of files first; their contents part by part.
    git clone --quiet --depth 1 --filter=blob:none --no-checkout "$url" "$folder" || offline
fi
cd "$folder"
files=$(git ls-tree -r --name-only HEAD) || offline
for part in label_list.mat annotations/ photos/{00..20}; do
    grep -q "^$part" <<< "$files" || continue
    echo "== $part"
    git checkout --quiet HEAD -- "$part*" || offline
done
echo "== done: $(find photos -type f | wc -l) photos. Next:"
echo "   python datasets/generate_ccp_dataset.py --data_root $folder --test_fraction 0.1"
