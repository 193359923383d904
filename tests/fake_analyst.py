"""Speaks as `slap_core.batch.analyst` does and analyses nothing; a video's name says what becomes of it.

    python fake_analyst.py FOLDER ENCODER DEVICE THREADS

Leaves in FOLDER a file for each start, with its own and its parent's number, and for each video that it is asked for.
"""

import json
import os
import pathlib
import sys
import threading
import time

folder, encoder, device, threads = pathlib.Path(sys.argv[1]), *sys.argv[2:]


def note(name, text=""):
    (folder / f"{name}-{os.getpid()}-{time.monotonic_ns()}").write_text(text)


def answer(message):
    print(json.dumps(message), flush=True)


def listen():
    while line := sys.stdin.readline():
        asked.append(json.loads(line))
    os._exit(1)


note("start", str(os.getppid()))
if encoder == "unknown":
    answer({"fatal": "There is no encoder unknown."})
    sys.exit()
answer({"ready": True})
asked = []
threading.Thread(target=listen, daemon=True).start()
while True:
    if not asked:
        time.sleep(0.01)
        continue
    request = asked.pop(0)
    name = pathlib.Path(request["path"]).stem
    note(f"video_{name}", str(os.getppid()))
    if name.startswith("hang"):
        time.sleep(1000)
    if name.startswith("die"):
        os._exit(9)
    if name.startswith("slow"):
        time.sleep(2)
    if name.startswith("bad"):
        answer({"error": "It is no video."})
    else:
        coupling = request["settings"]["coupling"]
        answer({"row": {"certificate": f"{name} is done.", "drift_slap": coupling, "frames": 3, "converged": True}})
