"""The same few pictures, translated again and again while a model is trained."""

from functools import cached_property

from data.base_dataset import BaseDataset
from data.scene import Scene
from models.base_model import BaseModel


class Showcase:
    """Scenes of a dataset through a model in training, which is left as it was."""

    def __init__(self, opt, dataset: BaseDataset, model: BaseModel):
        self.dataset = dataset
        self.model = model
        self.count = opt.display_samples
        self.batch_size = opt.batch_size

    @cached_property
    def samples(self) -> dict[str, list[Scene]]:
        return self.dataset.showcase(self.count)

    def scenes(self) -> dict[str, Scene]:
        """Sources, translations and translations back on the CPU, by role: real_A, fake_B, …"""
        parts: dict[str, list[Scene]] = {}
        for domain, samples in self.samples.items():
            for start in range(0, len(samples), self.batch_size):
                batch = Scene.cat(samples[start : start + self.batch_size])
                self.model.set_input({domain: batch})
                for role, scene in self.model.get_current_scenes().items():
                    parts.setdefault(role, []).append(scene.detach().to("cpu"))
        return {role: Scene.cat(scenes) for role, scenes in parts.items()}
