"""What the parts of the native core are called, and what they have in them: known to who makes them and to who loads them."""

from __future__ import annotations

KIND = "native"  # of the entries of the cache that are parts
STEPS = ("steps0", "steps1")  # the handlers of all record kinds
BASE_PARTS = ("kernels", *STEPS)  # what every image needs
TABLE = "pbs_table_"  # and the name of a part: gives the addresses of its handlers
ENTER = "pbs_enter"  # the way in to the handlers
RUN_FRAMES, RUN_CALL, RUN_JOBS = "pbs_run_frames", "pbs_run_call", "pbs_run_jobs"
CONVENTIONS = ("preserve_nonecc", "ccc")  # how handlers call one another; the second is what every target has
PROBE_FAILED = 3  # exit status of a builder whose steps did not compute what they should
