#!/bin/sh
# Fills the corpus of `decode` with one file for every frozen struct.
set -eu
cd "$(dirname "$0")"
mkdir -p corpus/decode
cp ../tests/golden/*.bin ../tests/golden-layout/*.bin corpus/decode/
