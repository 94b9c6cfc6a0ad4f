"""Checks that the compiled code in an environment's packages is what their sources compile to (docs/adr/0019-measured-compiled-code.md).

    python3 -I -S -B scripts/compiled_code.py .state/python/lib/python3.*/site-packages

The Python is to be the one that the environment was made with, and runs nothing of the environment. Compiles every source anew, which
takes about 30 seconds on two cores, and names each file that differs or has no source.
"""

import importlib.util
import marshal
import os
import pathlib
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib._bootstrap_external import _code_to_hash_pyc

_TAG = sys.implementation.cache_tag
# Magic number, flags, and the source's hash (PEP 552).
_HEADER = 16


def _source(compiled):
    """The source whose place this compiled code takes. None where Python would load it for its own sake."""
    if compiled.parent.name != "__pycache__":
        return None
    return compiled.parent.parent / (compiled.name.removesuffix(f".{_TAG}.pyc") + ".py")


def fault(compiled):
    """What is wrong with this file, or None."""
    if compiled.is_dir():
        return "is a link to another folder, which Python follows and this check does not"
    source = _source(compiled)
    if source is None or not source.is_file():
        return "has no source"
    try:
        same = _is_compiled_from(source, compiled)
    # The source does not compile, or this is no compiled code at all.
    except (SyntaxError, ValueError, EOFError, TypeError):
        same = False
    return None if same else f"is not what {source.name} compiles to"


def _is_compiled_from(source, compiled):
    text = source.read_bytes()
    code = compile(text, source, "exec", dont_inherit=True, optimize=0)
    expected = _code_to_hash_pyc(code, importlib.util.source_hash(text), checked=True)
    with compiled.open("rb") as found:
        return found.read(_HEADER) == expected[:_HEADER] and _plain(marshal.load(found)) == _plain(code) and not found.read()


def _plain(code):
    """Without references from one object to an equal one before it: which there are depends on what else a process has compiled."""
    return marshal.dumps(code, 2)


def _loadable(folder):
    """Compiled code that this version of Python loads, and folders elsewhere, which may have some."""
    for at, folders, files in os.walk(folder):
        yield from (link for name in folders if (link := pathlib.Path(at, name)).is_symlink())
        ending = f".{_TAG}.pyc" if os.path.basename(at) == "__pycache__" else ".pyc"
        yield from (pathlib.Path(at, name) for name in files if name.endswith(ending))


def main():
    if len(sys.argv) != 2:
        sys.exit("one folder of packages is wanted: .state/python/lib/python3.*/site-packages")
    packages = pathlib.Path(sys.argv[1]).resolve()
    files = sorted(_loadable(packages))
    if not files:
        sys.exit(f"there is no compiled code in {packages}: make the environment anew with scripts/python.sh")
    with ProcessPoolExecutor() as workers:
        faults = [(file, fault) for file, fault in zip(files, workers.map(fault, files, chunksize=64)) if fault]
    for file, fault_found in faults:
        print(f"{file.relative_to(packages)} {fault_found}", file=sys.stderr)
    if faults:
        sys.exit(f"{len(faults)} of {len(files)} compiled files are not what the sources say")
    print(f"{len(files)} compiled files are what their sources compile to", file=sys.stderr)


if __name__ == "__main__":
    main()
