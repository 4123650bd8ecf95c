#!/usr/bin/env bash
# Write requirements/locked-VERSION.txt: each package that CI installs, with version and SHA-256. `make lock` runs it.
#
# Versions stay as they are in the lock; `make lock UPGRADE=1` takes the newest that pyproject.toml allows.
set -euo pipefail
cd "$(dirname "$0")"

compile() { # VERSION EXTRA...; the version with its patch, the oldest that CI may have
  local version=$1 file="locked-${1%.*}.txt" old extras=()
  shift
  for extra in "$@"; do extras+=(--extra "$extra"); done
  old=$(mktemp)
  [ -n "${UPGRADE:-}" ] || [ ! -f "$file" ] || sed -nE 's/^([A-Za-z0-9._-]+==[^ ;\\]+).*/\1/p' "$file" >"$old"
  {
    echo "# What CI installs under Python ${version%.*} on x86-64 Linux. Written by \`make lock\`."
    # torch: the build for the CPU, from where pip finds it too
    echo "setuptools>=68" | uv pip compile ../pyproject.toml - "${extras[@]}" --python-version "$version" --python-platform x86_64-manylinux_2_28 \
      ${PIP_FIND_LINKS:+--find-links "$PIP_FIND_LINKS"} -c "$old" --generate-hashes --no-annotate --no-header --quiet
    case " $* " in *" export "*)
      # onnx2tf runs on Python 3.11 and asks for 3.12, see pyproject.toml
      [ "${version#3.11}" = "$version" ] || echo "onnx2tf==2.6.9" | uv pip compile - --no-deps --python-version 3.12 --generate-hashes --no-annotate --no-header --quiet ;;
    esac
  } >"$file.new"
  mv "$file.new" "$file"
  rm -f "$old"
}

compile 3.11.7 train export study keras dev docs
compile 3.12.1 test
compile 3.13.0 test
