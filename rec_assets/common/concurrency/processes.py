"""Finds a process by its pid."""

import psutil


def find_process(pid: int, latest_start: float) -> psutil.Process | None:
    """Returns the running process, or None if it ended or another program has its pid now.

    Args:
        pid: the process id.
        latest_start: unix time; a process that started later has a reused pid.
    """
    try:
        process = psutil.Process(pid)
        runs = process.create_time() <= latest_start and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if runs else None
