"""The WebAssembly kernels in wasmtime: python wasmtime_kernels.py plain|fuel|pulley NAME N.

plain compiles with Cranelift; fuel also meters; pulley is wasmtime's interpreter.
"""

import sys
import time
from pathlib import Path

import wasmtime

mode, name, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
config = wasmtime.Config()
if mode == "fuel":
    config.consume_fuel = True
if mode == "pulley":
    config.target = "pulley64"
engine = wasmtime.Engine(config)
store = wasmtime.Store(engine)
if mode == "fuel":
    store.set_fuel(1 << 62)
path = Path(__file__).with_name("fib.wasm" if name == "fib" else "kernels.wasm")
module = wasmtime.Module.from_file(engine, str(path))
run = wasmtime.Instance(store, module, []).exports(store)[name]
assert isinstance(run, wasmtime.Func)
run(store, 1)
start = time.process_time()
result = run(store, size)
print(name, size, result, f"{time.process_time() - start:.9f}")
