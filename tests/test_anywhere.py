"""`read_clip` from wherever a person may call it: a notebook, a script without a guard, a thread, a spawned process."""

import os
import pathlib
import subprocess
import sys

import pytest

import slap_core.video

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(slap_core.video.__file__).resolve().parents[2]
CLIP = ROOT / "assets" / "clips" / "car_stays.mp4"
READ = f"""
import slap_core
clip = slap_core.read_clip({str(CLIP)!r}, max_frames=4, size=32)
print('frames', len(clip))
"""
EVERYWHERE = f"""
import asyncio, threading, slap_core
def read():
    return slap_core.read_clip({str(CLIP)!r}, max_frames=4, size=32)
found = [read()]  # with no guard around
threads = [threading.Thread(target=lambda: found.append(read())) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
async def cell():
    return read()
found.append(asyncio.run(cell()))  # inside a loop, as in a notebook
assert len(found) == 5 and all((clip.frames == found[0].frames).all() for clip in found)
print('frames', len(found[0]))
"""
SPAWNED = f"""
import multiprocessing, slap_core
def work(count):
    print('frames', len(slap_core.read_clip({str(CLIP)!r}, max_frames=count, size=32)), flush=True)
if __name__ == '__main__':
    process = multiprocessing.get_context('spawn').Process(target=work, args=(4,), daemon=True)
    process.start(); process.join(); raise SystemExit(process.exitcode)
"""


def run(arguments, *, given=None, folder=None, environment=None):
    return subprocess.run(
        [sys.executable, *arguments], input=given, cwd=folder or ROOT, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
    )  # fmt: skip


def reads(done):
    assert done.returncode == 0, done.stderr[-2000:]
    assert "frames 4" in done.stdout
    assert done.stdout.count("frames") == 1, "the script ran twice"


def test_from_an_interactive_interpreter():
    reads(run(["-i", "-q"], given=READ))


@pytest.mark.parametrize("code", [EVERYWHERE, SPAWNED], ids=["no_guard_thread_loop", "spawned_daemon"])
def test_from_a_script(tmp_path, code):
    script = tmp_path / "script.py"
    script.write_text(code)
    reads(run([str(script)], folder=tmp_path))


def test_beside_files_that_are_called_like_modules(tmp_path):
    """The decoder's process looks where its parent does, and starts without the folder's own code."""
    for name in ("json", "types", "av", "numpy", "sitecustomize", "usercustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a stranger was imported')")
    reads(run(["-P", "-c", READ], folder=tmp_path))


def test_from_a_command_in_an_odd_environment(tmp_path):
    odd = {"PYTHONSTARTUP": str(tmp_path / "missing.py"), "PYTHONWARNINGS": "error::SyntaxWarning", "PYTHONUTF8": "0",
           "LC_ALL": "C", "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}  # fmt: skip
    reads(run(["-c", READ], environment=odd))


def test_with_standard_streams_closed(tmp_path):
    """As under a service manager: nothing may rely on a terminal."""
    note = tmp_path / "note"
    code = READ.replace("print('frames', len(clip))", f"open({str(note)!r}, 'w').write(f'frames {{len(clip)}}')")
    command = f'exec {sys.executable} -c "$CODE" <&- >&- 2>&-'
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CODE": code}
    assert subprocess.run(["sh", "-c", command], env=environment, timeout=300).returncode == 0
    assert note.read_text() == "frames 4"
