#!/usr/bin/env bash
# Trains on all GPUs of this machine, a process for each: bash scripts/train_multi_gpu.sh --dataroot … --name …
#
# --batch_size is that of one GPU. On several machines run it on each with the same MASTER_ADDR (the
# first one's name) and NODES, and NODE_RANK from 0; PROCESSES is the number of GPUs to use here.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
exec "${PYTHON:-python3}" -m torch.distributed.run \
    --nproc_per_node "${PROCESSES:-gpu}" --nnodes "${NODES:-1}" --node_rank "${NODE_RANK:-0}" \
    --master_addr "${MASTER_ADDR:-127.0.0.1}" --master_port "${MASTER_PORT:-29500}" \
    "$root/train.py" "$@"
