"""A Python file of the caller's own as a module, read anew each time, with the modules beside it."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import ModuleType

__all__ = ["load_file"]

# Of all files that were read so, whose modules give way to neighbours of the same name; and whether modules are found
# there anyway, as in the folder that Python was started in.
FOLDERS: dict[Path, bool] = {}


def load_file(path: Path) -> ModuleType:
    """Run a Python file, and return its module.

    What lies beside it can be imported, as when Python runs the file itself: at once, and later inside its functions.
    Two files in different folders may have neighbours of the same name.

    Parameters
    ----------
    path : Path

    Raises
    ------
    BaseException
        Whatever the file raises.
    """
    name = f"spikeloop_decoder_{sha256(str(path.resolve()).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # where dataclasses look for their module
    with _neighbours(path.resolve().parent):
        spec.loader.exec_module(module)
    return module


@contextmanager
def _neighbours(folder: Path) -> Iterator[None]:
    """Meanwhile modules of this folder are found before all others; later, after them."""
    anyway = FOLDERS.setdefault(folder, str(folder) in sys.path)
    _forget({entry.stem for entry in folder.iterdir()}, set(FOLDERS) - ({folder} if anyway else set()))
    importlib.invalidate_caches()
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        if str(folder) not in sys.path:
            sys.path.append(str(folder))


def _forget(names: set[str], folders: set[Path]) -> None:
    """Let modules of these names that lie in one of the folders be imported anew; whoever has them keeps them."""
    modules = [sys.modules[name] for name in names & set(sys.modules)]
    tops = {module.__name__ for module in modules if _folder(module) in folders}
    for name in list(sys.modules):
        if name.partition(".")[0] in tops:
            del sys.modules[name]


def _folder(module: ModuleType) -> Path | None:
    """Where a module, or the folder of a package, lies; None of those that came from no file."""
    file = getattr(module, "__file__", None)
    if not isinstance(file, str):
        return None
    path = Path(file)
    return path.parent.parent if path.name == "__init__.py" else path.parent
