#!/usr/bin/env bash
# Trains on several machines of a Slurm cluster: sbatch --nodes 2 scripts/train_slurm.sh --dataroot … --name …
#
#SBATCH --job-name=instagan
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#
# One task per machine starts a process per GPU. Data and checkpoints lie on a disk that all machines
# share. A job that Slurm takes from its machines saves first, and goes on when it is put there again or
# when the same command is typed again.
set -euo pipefail
MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
MASTER_PORT=$((20000 + SLURM_JOB_ID % 20000)) # of its own, should two jobs share a machine
export MASTER_ADDR MASTER_PORT NODES=$SLURM_NNODES SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK
srun bash -c 'NODE_RANK=$SLURM_NODEID exec bash scripts/train_multi_gpu.sh "$@"' train --resume auto "$@"
