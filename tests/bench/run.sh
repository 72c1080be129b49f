#!/usr/bin/env bash
# Builds what is measured, in release, and measures it. Arguments go to run.py.
set -euo pipefail
cd "$(dirname "$0")/../.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/warder-target}"
cargo build --release --locked --workspace --bins
exec python3 tests/bench/run.py --binaries "$CARGO_TARGET_DIR/release" "$@"
