"""How a device program in Python is driven: the same lines as protocol.js. Commands run in threads of their own."""

import json
import os
import sys
import threading

_lock = threading.Lock()


def emit(event, **more):
    """Prints an event."""
    _print({"event": event, **more})


def _print(line):
    with _lock:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def _obey(device, command):
    try:
        _print({"id": command["id"], "ok": getattr(device, command["do"])(command)})
    except Exception as error:  # What an SDK raises is the answer.
        _print({"id": command["id"], "error": f"{type(error).__name__}: {error}"})


def serve(build):
    """Makes a device of the settings with build(settings) and obeys until the input ends."""
    device = build(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        threading.Thread(target=_obey, args=(device, json.loads(line)), daemon=True).start()
    os._exit(0)  # Whatever threads an SDK still has.


def answer_to(name, payload):
    """What the methods but `hold` answer."""
    if name == "size":
        return {"bytes": len(payload)}
    if name == "big":
        return "y" * payload
    return [payload]
