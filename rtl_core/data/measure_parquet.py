"""What a Parquet file holds and how much memory it takes once it is read, as a program of its own.

    python -P measure_parquet.py FILE BYTES

The format cannot say it: a value that is repeated a million times is written once, and the sizes that a file states are
its writer's word. So this process reads the file a few rows at a time, adds up, and cannot take more than BYTES itself.
It prints one JSON object: `rows`, `columns`, `nested` (columns of lists or records), `bytes` (more than BYTES: it
stopped there); or `problem`, "memory" or "damaged".
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_ROWS = 2_048  # at a time
_NUMBER, _OBJECT = 8, 100  # bytes of a value in pandas; decimals, dates and bytes become objects of Python's
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_OBJECTS = (
    pa.types.is_decimal,
    pa.types.is_date,
    pa.types.is_time,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)


def measured(path: Path, most: int) -> dict[str, Any]:
    """What the file holds; reading stops once it has become more than `most` bytes."""
    try:
        _bound_memory(path.stat().st_size + most)
        with pq.ParquetFile(path, memory_map=True) as file:
            schema = file.schema_arrow
            nested = [field.name for field in schema if pa.types.is_nested(field.type)]
            holds = {"rows": file.metadata.num_rows, "columns": len(schema), "nested": nested, "bytes": 0}
            if nested or not len(schema):
                return holds
            for batch in file.iter_batches(_ROWS, use_threads=False):
                holds["bytes"] += sum(in_memory(column) for column in batch.columns)
                if holds["bytes"] > most:
                    break
            return holds
    except MemoryError:
        return {"problem": "memory"}
    except (pa.ArrowException, OSError, ValueError):
        return {"problem": "damaged"}


def in_memory(column: pa.Array) -> int:
    """Bytes that a column's values take once each of them stands for itself."""
    if pa.types.is_dictionary(column.type):
        return in_memory(column.dictionary_decode())
    if any(check(column.type) for check in _TEXTS):
        return column.nbytes + _NUMBER * len(column)
    if any(check(column.type) for check in _OBJECTS):
        return column.nbytes + _OBJECT * len(column)
    return _NUMBER * len(column)


def _bound_memory(more: int) -> None:
    """No more address space than now and `more` bytes; systems that know no such limit (Windows) go without."""
    pa.set_memory_pool(pa.system_memory_pool())  # the others reserve far more than they use
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):
        return
    most = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    print(json.dumps(measured(Path(sys.argv[1]), int(sys.argv[2]))))
