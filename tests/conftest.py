"""For all tests: the native core is made once before workers share it, and hypothesis draws the same examples every time."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "same every time",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
settings.load_profile("same every time")


def pytest_configure(config: pytest.Config) -> None:
    """Make or load every part of the core in the first process, so that workers find it in the cache."""
    for name in ("PBS_ENGINE", "PBS_VIEW", "PYTHONUNBUFFERED"):  # commands run as they would in anyone's shell
        os.environ.pop(name, None)
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if (
            signal.getsignal(number) is signal.SIG_IGN
        ):  # in the background and under nohup; so would our commands have it
            signal.signal(number, usual)
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    from pbs.host import standard
    from pbs.vm.native import core

    host = standard()
    core(host).require(service.module for service in (*host.services.values(), *host.intrinsics.values()))
