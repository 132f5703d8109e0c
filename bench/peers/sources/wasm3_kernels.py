"""The WebAssembly kernels in wasm3: python wasm3_kernels.py NAME N."""

import sys
import time
from pathlib import Path

import wasm3

name, size = sys.argv[1], int(sys.argv[2])
module = Path(__file__).with_name("fib.wasm" if name == "fib" else "kernels.wasm").read_bytes()
environment = wasm3.Environment()
runtime = environment.new_runtime(1 << 20)
runtime.load(environment.parse_module(module))
run = runtime.find_function(name)
run(1)  # wasm3 compiles a function when it is first called
start = time.process_time()
result = run(size)
print(name, size, result, f"{time.process_time() - start:.9f}")
