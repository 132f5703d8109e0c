"""The machine around the instructions: heap, coroutines, frames, digest.

Kernels are plain functions over two arrays of words, the machine's state (`vm.layout`) and the image's tables
(`vm.image_tables`). Numba compiles them for the native engines, the reference runs them as they stand; both must come to the
same words, so they keep to the subset described in `host.devices`.
"""
