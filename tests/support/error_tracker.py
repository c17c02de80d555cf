"""What becomes known of an error: to whoever reads it, and to an error tracker that collects the locals of every frame."""

from __future__ import annotations


def readable(error: BaseException) -> str:
    """The error, its attributes, and what it came from."""
    return "\n".join(
        repr(part) for part in (error, str(error), vars(error), error.__cause__, error.__context__)
    )


def collectable(error: BaseException) -> str:
    """The same with the locals of every frame that is not a test's."""
    parts, trace = [readable(error)], error.__traceback__
    while trace is not None:
        if "/tests/" not in trace.tb_frame.f_code.co_filename:
            parts.append(repr(trace.tb_frame.f_locals))
        trace = trace.tb_next
    return "\n".join(parts)
