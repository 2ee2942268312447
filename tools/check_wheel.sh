#!/bin/sh
# Install a wheel where no compiler can be found, and run the main job with it: check_wheel.sh PYTHON WHEEL
set -eu
name=$(basename "$2")
wheel=$(cd "$(dirname "$2")" && pwd)/$name
constraints=$(pwd)/constraints.txt
folder=$(mktemp -d)
path=$PATH
trap 'PATH=$path; rm -rf "$folder"' EXIT
"$1" -m venv "$folder/venv"
PATH="$folder/venv/bin"
export PATH
cd "$folder"
for compiler in cc gcc g++ clang c++ cmake ninja; do
    if command -v "$compiler"; then
        echo "there is a compiler: $compiler"
        exit 1
    fi
done
python -m pip --disable-pip-version-check install --quiet --only-binary :all: --constraint "$constraints" "$wheel[samples]"
klevels demo --output demo --shape 128 128
klevels segment demo/scan.tif -k 4 --output labels.tif --json
klevels apply labels.tif.json demo/scan.tif --output again.tif
echo "the wheel works without a compiler: $name"
