"""What can be known of the container and its replicas without one to run it."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / ".deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
TEST_TOOLS = {"pytest", "hypothesis", "playwright"}


def locked(name):
    """The versions of a lock, each of which has hashes."""
    blocks = re.split(r"(?m)^(?=[a-z])", (DEPLOY / name).read_text())[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    return dict(block.split(" ", 1)[0].split("==") for block in blocks)


def instructions(word):
    return re.findall(rf"(?m)^{word} (.+)$", DOCKERFILE)


def test_what_is_copied_is_there_and_not_kept_from_the_build():
    sources = [path for line in instructions("COPY") for path in line.split()[:-1]]
    assert {"app.py", "rsviz", "pages", "checkpoints", ".streamlit"} <= set(sources)
    passed = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().split()}
    for path in sources:
        assert (ROOT / path).exists() and path.split("/")[0] in passed


def test_the_locks_hold_what_the_app_requires_and_no_test_tools():
    versions = locked("requirements.lock") | locked("torch-cuda.lock")
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if wanted := line.split("#")[0].strip():
            required = Requirement(wanted)
            if required.name in TEST_TOOLS:
                assert required.name not in versions
            else:
                assert required.specifier.contains(versions[required.name]), required


def test_the_cpus_torch_is_of_the_version_locked_for_gpus():
    locks = locked("torch-cuda.lock")
    for name in ("torch", "torchvision"):
        assert re.findall(rf" {name}==([\d.]+)", DOCKERFILE) == [locks[name]]


def test_it_runs_as_nobody_in_particular_and_writes_where_volumes_are():
    assert instructions("USER") == ["10001:10001"]
    said = " ".join(instructions("ENV"))
    compose = (DEPLOY / "compose.yaml").read_text()
    assert "read_only: true" in compose and "volumes: [logs:/logs, data:/data:ro]" in compose
    assert "RSVIZ_LOGS=/logs" in said and "RSVIZ_DATA=/data" in said
    python = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert instructions("FROM") == [f"python:{python.removeprefix('>=')}-slim"]


def test_nginx_knows_every_replica_of_compose_and_no_other():
    addresses = re.findall(r"ipv4_address: ([\d.]+)}", (DEPLOY / "compose.yaml").read_text())
    text = (DEPLOY / "nginx.conf").read_text()
    assert len(addresses) == 2
    for own, address in zip(("one", "two"), addresses, strict=True):
        assert f"{address}:8501 {own};" in text
        (servers,) = re.findall(rf"upstream {own} {{(.*)}}", text)
        assert servers.strip().startswith(f"server {address}:8501;")
        assert servers.count("backup") == len(addresses) - 1
    assert set(re.findall(r"(\d+\.\d+\.\d+\.\d+):8501", text)) == set(addresses)
