#!/usr/bin/env bash
# Trains on several machines of a Slurm cluster: sbatch --nodes 2 scripts/train_slurm.sh --dataroot … --name …
#
#SBATCH --job-name=instagan
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#
# One task per machine starts a process per GPU. Data and checkpoints lie on a disk that all machines
# share. A job that was stopped goes on with --continue_train.
set -euo pipefail
MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export MASTER_ADDR NODES=$SLURM_NNODES
srun bash -c 'NODE_RANK=$SLURM_NODEID exec bash scripts/train_multi_gpu.sh "$@"' train "$@"
