# Sourced by quickstart.sh and run_tests.sh: makes .venv with everything in it, reuses it while the
# requirement files stay the same, and sets $root and $python.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python="$root/.venv/bin/python"

setup_env() {
    local base=${PYTHON:-python3} wanted stamp="$root/.venv/.installed"
    if ! "$base" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
        echo "error: $base is not Python 3.10 or newer: install one, or name it: PYTHON=python3.12 bash $0" >&2
        exit 2
    fi
    wanted=$("$base" --version; cat "$root"/requirements*.txt "$root"/scripts/install_visdom.sh)
    if [ -x "$python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
        echo "== environment: $root/.venv is up to date"
        return
    fi
    echo "== environment: installing into $root/.venv (PyTorch is large: some minutes the first time)"
    rm -f "$stamp"
    [ "$("$python" --version 2>/dev/null)" = "$("$base" --version)" ] || rm -rf "$root/.venv"
    [ -x "$python" ] || "$base" -m venv "$root/.venv" || {
        rm -rf "$root/.venv"
        echo "error: $base cannot make a virtual environment: on Debian, apt install python3-venv" >&2
        exit 2
    }
    "$python" -m pip install --quiet --disable-pip-version-check \
        -r "$root/requirements.txt" -r "$root/requirements-dev.txt" -r "$root/requirements-export.txt" \
        -r "$root/requirements-metrics.txt" -r "$root/requirements-loggers.txt" \
        -r "$root/requirements-backgrounds.txt" -r "$root/requirements-video.txt" || {
        echo "error: pip could not install what is needed, for the reason above; it takes 9 GB of disk for" \
            "a while, 6 GB in $root/.venv and the rest in ${TMPDIR:-/tmp}" >&2
        exit 2
    }
    bash "$root/scripts/install_visdom.sh" "$python" ||
        echo "note: visdom could not be installed; everything but the live dashboard works without it"
    printf '%s' "$wanted" > "$stamp"
}
