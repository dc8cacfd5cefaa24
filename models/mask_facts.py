"""What becomes of the masks while a model is trained: the first thing to go wrong in InstaGAN."""

from collections.abc import Mapping, Sequence


def mask_facts(counts: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    """By name and source domain, out of the sums of `mask_counts` over batches.

    area   area of translated masks over that of their sources
    kept   share of instances whose translated mask has any pixel
    empty  share whose mask has none
    full   share whose mask covers nearly the whole picture
    """
    facts: dict[str, dict[str, float]] = {}
    for domain, (instances, real, fake, empty, full) in counts.items():
        if not instances:
            continue
        shares = {
            "area": fake / max(real, 1),
            "kept": 1 - empty / instances,
            "empty": empty / instances,
            "full": full / instances,
        }
        for name, share in shares.items():
            facts.setdefault(name, {})[domain] = share
    return facts
