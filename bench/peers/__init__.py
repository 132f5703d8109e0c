"""The kernels in other languages, and how they are run beside ours."""
