"""Where a step's time goes, by PyTorch's profiler."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

COPIES = ("Memcpy", "Memset")  # which the profiler counts with kernels
CONVERSIONS = ("nchwtonhwc", "nhwctonchw")  # in names of cuDNN's kernels, in small letters
CONVOLUTIONS = ("conv", "implicit_gemm", "fprop", "dgrad", "wgrad")


def profiled(step: Callable[[], None], device: torch.device) -> dict[str, float]:
    """The share of a step's time that is spent inside convolutions; on a GPU its kernels, too."""
    on_gpu = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * on_gpu]) as recording:
        step()
    events = recording.key_averages()
    if on_gpu:
        return kernels(events)
    times = {event.key: event.self_cpu_time_total for event in events}
    return {"convolution_share": share_of(times, ["conv"])}


def kernels(events: Iterable) -> dict[str, float]:
    """Of the kernels that a GPU ran: how many there were, how many only changed a layout for
    cuDNN, and what share of the time was convolutions, by their names.
    """
    on_gpu = [event for event in events if event.device_type == DeviceType.CUDA]
    own = [event for event in on_gpu if not event.is_user_annotation]
    found = [event for event in own if not event.key.startswith(COPIES)]
    times = {event.key: event.self_device_time_total for event in found}
    conversions = (event.count for event in found if names_one_of(event.key, CONVERSIONS))
    return {
        "kernels": sum(event.count for event in found),
        "layout_conversions": sum(conversions),
        "convolution_share": share_of(times, CONVOLUTIONS),
    }


def share_of(times: Mapping[str, float], names: Sequence[str]) -> float:
    own = sum(time for key, time in times.items() if names_one_of(key, names))
    return own / max(sum(times.values()), 1)


def names_one_of(key: str, names: Sequence[str]) -> bool:
    return any(name in key.lower() for name in names)
