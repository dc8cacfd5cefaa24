"""The download scripts against servers of our own: whole, resumed, and offline."""

import os
import shutil
import subprocess
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from conftest import ROOT


def run(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess:
    words = ["bash", str(ROOT / "datasets" / script), str(folder)]
    return subprocess.run(words, env=os.environ | environment, capture_output=True, text=True)


@pytest.fixture
def server(tmp_path):
    """Serves `tmp_path/served`, ranges too; `server.asked` is what was asked for."""
    asked: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path, span = tmp_path / "served" / self.path[1:], self.headers.get("Range", "")
            asked.append((self.path, span))
            if not path.is_file():
                self.send_error(404)
                return
            start = int(span.removeprefix("bytes=").rstrip("-") or 0)
            body = path.read_bytes()
            self.send_response(206 if span else 200)
            if span:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            self.wfile.write(body[start:])

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.asked, server.url = asked, f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()


needs_curl = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("unzip")), reason="curl and unzip are missing"
)


def make_archive(path: Path, name: str) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, os.urandom(50_000))
    return path.read_bytes()


@needs_curl
def test_coco_is_fetched_resumed_and_checked(server, tmp_path):
    served, out = tmp_path / "served", tmp_path / "coco"
    make_archive(served / "annotations/annotations_trainval2017.zip", "annotations/a.json")
    whole = make_archive(served / "zips/val2017.zip", "val2017/1.jpg")
    out.mkdir()
    (out / "val2017.zip").write_bytes(whole[:20_000])  # where an earlier run was interrupted
    settings = {"COCO_URL": server.url, "COCO_PARTS": "annotations_trainval2017 val2017"}
    done = run("download_coco.sh", out, **settings)
    assert done.returncode == 0, done.stderr
    assert (out / "annotations/a.json").is_file() and (out / "val2017/1.jpg").is_file()
    assert ("/zips/val2017.zip", "bytes=20000-") in server.asked
    assert not list(out.glob("*.zip")) and "generate_coco_dataset.py" in done.stdout
    asked = len(server.asked)
    assert run("download_coco.sh", out, **settings).returncode == 0
    assert len(server.asked) == asked

    (served / "zips/train2017.zip").write_bytes(whole[:-3000] + bytes(3000))
    broken = run("download_coco.sh", out, COCO_URL=server.url, COCO_PARTS="train2017")
    assert broken.returncode == 2 and "was broken and is deleted" in broken.stderr
    assert not (out / "train2017.zip").exists()


@needs_curl
def test_coco_says_when_it_is_offline(tmp_path):
    done = run("download_coco.sh", tmp_path / "coco", COCO_URL="http://127.0.0.1:9")
    assert done.returncode == 2
    assert "is this machine online?" in done.stderr.splitlines()[-1]


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.mark.skipif(not shutil.which("git"), reason="git is missing")
def test_ccp_is_fetched_in_parts_and_again(tmp_path):
    source, out = tmp_path / "source", tmp_path / "ccp"
    names = [
        "label_list.mat",
        "annotations/pixel-level/0001.mat",
        "photos/0001.jpg",
        "photos/2098.jpg",
    ]
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    git(source, "init", "--quiet")
    git(source, "config", "uploadpack.allowFilter", "true")
    git(source, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(source, "add", "--all")
    git(source, "commit", "--quiet", "--message", "x")
    for _ in range(2):
        done = run("download_ccp.sh", out, CCP_URL=source.as_uri())
        assert done.returncode == 0, done.stderr
        assert all((out / name).read_text() == name for name in names)
        assert "2 photos" in done.stdout
        (out / "photos/2098.jpg").unlink()  # the second time it is there again
    missing = run("download_ccp.sh", tmp_path / "other", CCP_URL=(tmp_path / "none").as_uri())
    assert missing.returncode == 2 and "is this machine online?" in missing.stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("x")
    assert "name another folder" in run("download_ccp.sh", tmp_path / "mine").stderr
