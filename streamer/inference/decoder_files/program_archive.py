"""The archive of an exported program, written anew from what of it is plain: numbers, names and formulas of sizes.

Loading an exported program unpickles what its entries say are pickles, evaluates the formulas of its sizes as Python,
and executes its guards. What a file could run in these ways is refused or left out. Torch reads the archive written
here, and not that of the file, in which it may find other entries of a name than Python does.
"""

import ast
import io
import json
import re
import zipfile
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from spikeloop.models.errors import BadInputError

__all__ = ["plain_archive"]

FORMULA, GUARDS = "expr_str", "guards_code"  # in JSON, by torch's `_export/serde/schema.py`
FUNCTION = re.compile(r"[A-Z]\w*|floor|ceiling")  # of SymPy and torch, such as Symbol, Mul and FloorDiv
SYMBOL = re.compile(r"\w{1,80}")
ARITHMETIC = (
    ast.Expression, ast.Call, ast.keyword, ast.Name, ast.Constant, ast.Load, ast.BinOp, ast.UnaryOp, ast.BoolOp,
    ast.Compare, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip


def plain_archive(content: bytes, torch: ModuleType) -> bytes:
    """Write the archive of an exported program anew, without what would run.

    Parameters
    ----------
    content : bytes
        Of the file.
    torch : module

    Raises
    ------
    BadInputError
        If it holds pickles, machine code or more than formulas, or a name twice.
    Exception
        Of any kind, if it is damaged.
    """
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(written, "w") as plain:
        names = archive.namelist()
        if len({name.casefold() for name in names}) < len(names):
            raise BadInputError("expected each name once, found an archive with one twice")
        top = names[0].partition("/")[0]
        for name in names:
            if name.startswith(f"{top}/"):  # torch reads no others, but of formats that are older
                plain.writestr(zipfile.ZipInfo(name), _plain(name, archive.read(name), torch))
    return written.getvalue()


def _plain(name: str, entry: bytes, torch: ModuleType) -> bytes:
    lower = name.casefold()  # as torch looks for some
    if "/aotinductor/" in lower or (lower.endswith(".pt") and _runs(entry, torch)):
        raise _refused(name.rpartition("/")[2])
    if not lower.endswith(".json"):
        return entry
    found = json.loads(entry)
    if lower.endswith("_config.json") and any(map(_is_pickled, found["config"].values())):
        raise _refused(name.rpartition("/")[2])
    return json.dumps(_without_code(found)).encode()


def _runs(entry: bytes, torch: ModuleType) -> bool:
    """Whether the examples of inputs, or weights, hold more than tensors."""
    try:
        torch.load(io.BytesIO(entry), weights_only=True)
    except Exception:  # whatever torch raises of it
        return True
    return False


def _is_pickled(payload: Mapping[str, Any]) -> bool:
    return bool(payload.get("use_pickle")) or "obj" in str(payload.get("path_name")).casefold()


def _without_code(value: Any) -> Any:
    """JSON without guards, each of whose formulas is one."""
    if isinstance(value, dict):
        if FORMULA in value and not _is_formula(str(value[FORMULA])):
            raise _refused(str(value[FORMULA]))
        return {key: [] if key == GUARDS else _without_code(part) for key, part in value.items()}
    return [_without_code(part) for part in value] if isinstance(value, list) else value


def _is_formula(text: str) -> bool:
    """Whether Python would do no more than arithmetic with symbols."""
    if not text.isprintable() or "#" in text:
        return False
    try:
        nodes = [*ast.walk(ast.parse(text, mode="eval"))]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(isinstance(node, ARITHMETIC) and _is_harmless(node) for node in nodes)


def _is_harmless(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and FUNCTION.fullmatch(node.func.id) is not None
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return SYMBOL.fullmatch(node.value) is not None
    return True


def _refused(what: str) -> BadInputError:
    return BadInputError(f"expected weights as plain numbers, found {what:.60}, which would run what it says")
