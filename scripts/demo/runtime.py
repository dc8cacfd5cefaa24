"""onnxruntime-web, which runs the models in the browser: one pinned version, checked and cached."""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import urllib.request
from pathlib import Path

from util.errors import UserError
from util.files import write_atomic, write_text

VERSION = "1.30.0"
PACKAGE = f"onnxruntime-web-{VERSION}.tgz"
URL = f"https://registry.npmjs.org/onnxruntime-web/-/{PACKAGE}"
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
SECONDS = 600  # for a download
WASM = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
WEBGPU = (
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)
LICENSE = """onnxruntime-web {version}, https://github.com/microsoft/onnxruntime

MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial
portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES
OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""  # the package itself only names its licence


def unpack_runtime(folder: Path, archive: Path | None, webgpu: bool) -> None:
    """Write what the browser needs of the package, and its licence."""
    folder.mkdir(parents=True)
    path = archive or cached()
    check(path)
    wanted = {f"package/dist/{name}" for name in (*WASM, *(WEBGPU if webgpu else ()))}
    with tarfile.open(path) as package:
        for member in package:  # by name each would be looked for from the start of the archive
            if member.name in wanted:
                with open(folder / Path(member.name).name, "wb") as file:
                    shutil.copyfileobj(package.extractfile(member), file)
    write_text(folder / "LICENSE.txt", LICENSE.format(version=VERSION))


def cached() -> Path:
    """The package in the user's cache, fetched if it is not there or broken."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "instagan"
    path = folder / PACKAGE
    if path.is_file() and sha512(path) == SHA512:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    print(f"fetching {PACKAGE} (33 MB) into {folder}", flush=True)
    if not packed_by_npm(folder):
        download(path)
    return path


def packed_by_npm(folder: Path) -> bool:
    """Let npm fetch the package, from the registry that the user has set; whether it could."""
    if not (npm := shutil.which("npm")):
        return False
    words = [npm, "pack", f"onnxruntime-web@{VERSION}", "--pack-destination", str(folder)]
    words += ["--fetch-retries", "1"]  # without a network it would go on for minutes
    try:
        done = subprocess.run(words, capture_output=True, timeout=SECONDS, cwd=folder)
    except (subprocess.TimeoutExpired, OSError):
        return False
    return done.returncode == 0 and (folder / PACKAGE).is_file()


def download(path: Path) -> None:
    try:
        with urllib.request.urlopen(URL, timeout=60) as answer:
            write_atomic(path, lambda file: shutil.copyfileobj(answer, file))
    except OSError as error:  # urllib's are
        raise UserError(
            f"{URL} cannot be fetched ({getattr(error, 'reason', error)}): fetch it on another "
            "machine and give it as --runtime FILE.tgz"
        ) from None


def check(path: Path) -> None:
    """Raise UserError for a file that is not the package."""
    if not path.is_file():
        raise UserError(f"--runtime {path}: there is no such file; it is {URL}")
    if sha512(path) != SHA512:
        raise UserError(
            f"{path} is not {PACKAGE} (its sha512 is another): fetch it anew from {URL}"
        )


def sha512(path: Path) -> str:
    with open(path, "rb") as file:
        digest = hashlib.sha512()
        while block := file.read(1 << 20):
            digest.update(block)
    return base64.b64encode(digest.digest()).decode()
