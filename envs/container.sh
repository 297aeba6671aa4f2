#!/bin/sh
# Steps of both container recipes, envs/Dockerfile and envs/textscf.def: what stages need, by the pins of the project.
set -eu
# Triton and torch.compile build small programs while a stage runs; git names the revision that made a result.
apt-get update
apt-get install -y --no-install-recommends g++ git
rm -rf /var/lib/apt/lists/*
# The lock file is complete and departs from one package's requirements on purpose, see pyproject.toml.
python -m pip install --no-cache-dir --no-deps --require-hashes -r "$1"
