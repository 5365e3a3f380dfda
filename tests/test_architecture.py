"""What may import what, read from the source: data flows one way."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def imports(file):
    """Every module a file imports, at any depth of its code."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def roots(file):
    return {name.split(".")[0] for name in imports(file)}


def library():
    return sorted(f for f in (ROOT / "rsviz").rglob("*.py") if "ui" not in f.parts)


def test_only_the_frame_and_the_pages_import_streamlit():
    assert len(library()) > 20
    assert [f.name for f in library() if "streamlit" in roots(f)] == []
    assert any("streamlit" in roots(f) for f in (ROOT / "pages").glob("*.py"))


def test_the_library_does_not_know_its_pages():
    assert [f.name for f in library() if any(i.startswith("rsviz.ui") for i in imports(f))] == []


def test_statistics_and_lessons_need_no_torch():
    names = "spec errors bounds median certify flags curves logs lessons toy peeking figures_learn"
    code = f"import sys\nfrom rsviz import {', '.join(names.split())}\n"
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_nothing_is_unpickled():
    for file in library():
        text = file.read_text()
        assert "import pickle" not in text
        for line in text.splitlines():
            if "torch.load(" in line:
                assert "weights_only=True" in line, file.name
