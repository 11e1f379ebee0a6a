# Each recipe is one step of the gate (.ci/run), and works by itself in a checkout: `just setup` first.

# The environment that recipes run in.
venv := env("VENV", justfile_directory() / ".venv")
# The interpreter that new environments are made with.
python := env("PYTHON", `command -v python3.11 || command -v python3`)
# Where the npm package of the conformance tests is.
peers := "tests/peers"

set positional-arguments

export PATH := venv / "bin" + ":" + env("PATH")
export CARGO_TARGET_DIR := env("CARGO_TARGET_DIR", justfile_directory() / "target")
export PIP_DISABLE_PIP_VERSION_CHECK := "1"

# List the recipes.
default:
    @just --list --unsorted

# ---- build ---------------------------------------------------------------------------------------

# Create .venv with the development tools, and build vidjob into it.
setup:
    "{{ python }}" -m venv "{{ venv }}"
    pip install -q --upgrade pip
    pip install -q --group dev
    VIRTUAL_ENV="{{ venv }}" maturin develop --extras test

# Rebuild the extension after a change in src/ (debug profile).
build:
    VIRTUAL_ENV="{{ venv }}" maturin develop --skip-install

# Build the release wheel.
wheel out="dist":
    maturin build --release --locked --out "{{ out }}" --interpreter "{{ python }}"

# ---- everyday checks -----------------------------------------------------------------------------

# All checks that take seconds: run before a commit.
check: lint-python types stubs lint-rust

# Format Rust and Python.
fmt:
    cargo fmt
    ruff check --fix
    ruff format

# Lint Python, and check its formatting.
lint-python:
    ruff check
    ruff format --check

# Check types.
types:
    mypy

# Compare the stub with the compiled module.
stubs:
    python -m mypy.stubtest vidjob._native --allowlist tests/stubtest.txt

# Lint Rust with and without Python, check its formatting, and build its documentation.
lint-rust:
    cargo fmt --check
    cargo clippy --locked --quiet --all-targets -- -D warnings
    cargo clippy --locked --quiet --all-targets --features python -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --quiet --no-deps

# ---- tests ---------------------------------------------------------------------------------------

# Run the Python tests: `just test tests/api -k timeout`.
test *args:
    pytest -q "$@"

# Run the tests with other programs: nginx, curl, xai-sdk, @ai-sdk/xai, JupyterLab. One at a time, as they start servers.
conformance *args:
    pytest -q -rs -n 0 -m conformance "$@"

# Run the Rust tests without Python, and check that pyo3 is not in the tree.
test-rust:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo test --locked --quiet
    if cargo tree --locked --edges normal | grep -q pyo3; then
        echo "pyo3 is in the tree without the feature python" >&2
        exit 1
    fi

# Run the Rust tests with Python.
test-rust-python:
    cargo test --locked --quiet --features python

# Run the README's test command in a fresh environment, which is left at the given path.
test-readme env:
    #!/usr/bin/env bash
    set -euo pipefail
    "{{ python }}" -m venv "{{ env }}"
    . "{{ env }}/bin/activate"
    pip install -q '.[test]' && pytest -q

# Run the conformance tests on a wheel in a fresh environment, with what can be installed.
test-conformance wheel env:
    #!/usr/bin/env bash
    set -euo pipefail
    "{{ python }}" -m venv "{{ env }}"
    . "{{ env }}/bin/activate"
    pip install -q --upgrade pip
    pip install -q "{{ wheel }}[test]"
    pip install -q --group conformance || echo "xai-sdk: not available"
    pip install -q --group browser || echo "JupyterLab: not available"
    VENV="{{ env }}" "{{ just_executable() }}" conformance

# Run the default tests on a wheel with every other Python found, each in an environment below the given path.
test-pythons wheel envs:
    #!/usr/bin/env bash
    set -euo pipefail
    # A pyenv shim is on the PATH even when its version is not active, so look for the versions as well.
    find_python() {
        local candidate
        for candidate in "$(command -v "python$1" || true)" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python3; do
            if [ -x "$candidate" ] && "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
                echo "$candidate"
                return
            fi
        done
    }
    for version in 3.10 3.12 3.13; do
        other=$(find_python "$version")
        if [ -z "$other" ]; then
            echo "Python $version: not found"
            continue
        fi
        echo "--- Python $version"
        "$other" -m venv "{{ envs }}/$version"
        "{{ envs }}/$version/bin/pip" install -q "{{ wheel }}[test]"
        (. "{{ envs }}/$version/bin/activate" && pytest -q)
    done

# Run the demo from a wheel in a fresh environment, without a key.
test-demo wheel room:
    #!/usr/bin/env bash
    set -euo pipefail
    "{{ python }}" -m venv "{{ room }}/user"
    "{{ room }}/user/bin/pip" install -q "{{ wheel }}"
    cd "{{ room }}"
    env -u COMETAPI_KEY -u XAI_API_KEY user/bin/vidjob demo
    ls -l vidjob-demo

# Check that a wheel lists no development dependency.
check-metadata wheel:
    #!/usr/bin/env python3
    import sys, zipfile
    from email import message_from_bytes
    with zipfile.ZipFile("{{ wheel }}") as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(wheel.read(name))
    extras = sorted(metadata.get_all("Provides-Extra") or [])
    if extras != ["notebook", "test"]:
        sys.exit(f"the wheel has the extras {extras}")

# Install what the conformance tests need besides Python packages, as far as possible; apt-get needs root.
install-peers:
    #!/usr/bin/env bash
    set -euo pipefail
    install() {
        [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >/dev/null 2>&1
    }
    { command -v nginx && command -v curl; } >/dev/null || install nginx-light curl || echo "nginx, curl: not available"
    ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || install libfaketime || echo "libfaketime: not available"
    command -v chromium >/dev/null || install chromium || echo "Chromium: not available"
    if command -v npm >/dev/null; then
        npm ci --silent --no-audit --no-fund --prefix {{ peers }} >/dev/null 2>&1 || echo "@ai-sdk/xai: not available"
    fi

# ---- now and then --------------------------------------------------------------------------------

# Check licences, banned crates and sources; and advisories, if their database can be fetched.
deny:
    #!/usr/bin/env bash
    set -euo pipefail
    command -v cargo-deny >/dev/null || env -u CARGO_TARGET_DIR cargo install --quiet --locked cargo-deny --version 0.20.2
    cargo deny --locked check bans licenses sources
    if cargo deny --locked fetch db >/dev/null 2>&1; then
        cargo deny --locked check --disable-fetch advisories
    else
        echo "advisories: the database cannot be fetched"
    fi

# Measure the coverage of both languages by the Rust and the Python tests. Killed processes and Python subprocesses do not count.
coverage *args:
    #!/usr/bin/env bash
    set -euo pipefail
    command -v cargo-llvm-cov >/dev/null || env -u CARGO_TARGET_DIR cargo install --quiet --locked cargo-llvm-cov
    out="$CARGO_TARGET_DIR/coverage"
    mkdir -p "$out"
    export CARGO_TARGET_DIR="$out/target"
    eval "$(cargo llvm-cov show-env --sh)"
    cargo llvm-cov clean --workspace
    cargo test --quiet --features python,pyo3/abi3-py310
    VIRTUAL_ENV="{{ venv }}" maturin develop --skip-install
    status=0
    pytest -q --cov=vidjob --cov-report="lcov:$out/python.lcov" "$@" || status=$?
    # The profiles of killed processes are incomplete.
    cargo llvm-cov report --failure-mode all --lcov --output-path "$out/rust.lcov"
    cat "$out/python.lcov" "$out/rust.lcov" >"$out/all.lcov"
    awk -v root="$PWD" '
        /^SF:/ { file = substr($0, 4); sub(root "/", "", file) }
        /^DA:/ { split($0, part, /[:,]/); lines[file]++; missed[file] += part[3] == 0 }
        END {
            for (file in lines) {
                language = file ~ /[.]rs$/ ? "Rust" : "Python"
                all[language] += lines[file]
                gone[language] += missed[file]
                printf "%5d of %5d lines missed  %s\n", missed[file], lines[file], file | "sort -rn | head -30"
            }
            close("sort -rn | head -30")
            for (language in all)
                printf "%s: %.1f %% of %d lines\n", language, 100 - 100 * gone[language] / all[language], all[language]
        }' "$out/all.lcov"
    echo "line by line: $out/all.lcov"
    echo "the extension is instrumented now: run 'just build' to replace it"
    exit "$status"

# Compare speed and memory with other clients: about half an hour. `just bench --quick` shows that it runs.
bench *args:
    python benches/run.py "$@"

# Take the pictures of the notebooks again; needs `pip install --group browser` and Chromium.
pictures:
    python docs/pictures.py
