"""What of a model is written down, and how it comes back."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from models.networks.official import from_official, to_official
from training.checkpoint import AVERAGED, Checkpoints
from training.guard import Update
from training.progress import Progress
from training.replay import write_dump
from training.schedules import follow_options
from util.errors import UserError

# What may be another at each start of a run, or says only where it is and how it is watched.
OF_A_START = (
    *("name", "suffix", "checkpoints_dir", "typed", "dry_run", "resume", "overwrite"),
    *("continue_train", "start_from", "label", "epoch", "epoch_count"),
    *("logger", "display_id", "display_port", "display_server", "display_env", "display_start"),
    *("num_threads", "gpu_ids", "verbose", "dist_timeout", "data_patience"),
)


class Persistent:
    """The part of `BaseModel` that checkpoints know; its attributes are those of `BaseModel`."""

    def setup(self, checkpoints: Checkpoints, progress: Progress | None = None) -> str:
        """Load what the options ask for; returns a line to print.

        In training with --continue_train the run's state, model and progress; in testing weights.
        """
        label = self.opt.label
        if not self.is_train:
            averaged = self.takes_averages(checkpoints, label)
            self.load_networks(checkpoints, label, AVERAGED if averaged else "")
            self.loaded = f"{label}, averaged" if averaged else label
            return f"weights: {self.loaded}"
        if not self.opt.continue_train:
            return self.start_from(self.opt.start_from)
        if label == "latest" and checkpoints.has_state():
            checkpoints.resume(self, progress)
            return f"continuing at epoch {progress.epoch}, {progress.images} pictures into it"
        return self.load_networks(checkpoints, label) + f", at epoch {progress.epoch}"

    def start_from(self, runs: Sequence[str]) -> str:
        """Load the networks that other runs have under the same names; returns a line to print.

        Raises UserError for a run that brings none, and if one is missing that has to be brought.
        """
        fresh, taken = list(self.networks), []
        for where in runs:
            names, line = self.take_from(where, fresh)
            fresh = [name for name in fresh if name not in names]
            taken.append(line)
        needed = self.needs_at_start(self.opt)
        if missing := [name for name in needed if name in fresh]:
            raise UserError(
                f"--start_from {' '.join(runs) or 'is missing'}: this training begins with trained "
                f"weights of {', '.join(needed)}, and there are none of {', '.join(missing)}: name "
                "the runs that trained them"
            )
        if not taken:
            return "starting anew"
        rest = f"; fresh are {', '.join(fresh)}" if fresh else ""
        return f"starting from {', and '.join(taken)}{rest}"

    def take_from(self, where: str, wanted: Sequence[str]) -> tuple[list[str], str]:
        """Load what a run has of the wanted networks; returns their names, and what it was."""
        run, _, label = where.partition(":")
        folder = Path(run) if Path(run).is_dir() else Path(self.opt.checkpoints_dir) / run
        there = Checkpoints(folder)
        label = label or "latest"
        names = [name for name in there.networks(label) if name in wanted]
        if not names:
            missing = ", ".join(wanted) or "all were brought by the runs before it"
            raise UserError(
                f"--start_from {where}: {folder} has no weights `{label}` of any network that is "
                f"still needed for --model {self.opt.model}: {missing}"
            )
        files = {name: name + self.suffix_at_start(there, label, name) for name in names}
        self.load_named(there, label, files)
        return names, f"{', '.join(files.values())} of {folder}, `{label}`"

    def suffix_at_start(self, there: Checkpoints, label: str, name: str) -> str:
        """That of averaged weights, if there are any and the network is not trained any more."""
        epochs = self.opt.niter + self.opt.niter_decay
        trained = epochs and any(name in own for own in self.trained.values())
        return "" if trained or not there.has_averages(label, [name]) else AVERAGED

    def load_named(self, checkpoints: Checkpoints, label: str, files: Mapping[str, str]) -> None:
        """Load networks by their names in the files of the label."""
        states = {name: checkpoints.weights(label, file) for name, file in files.items()}
        for name, state in states.items():
            path = checkpoints.weights_path(label, files[name])
            checkpoints.explain_mismatch(path, self, {name: state})
        self.load_network_states(states)
        if self.averages:
            self.averages.restart()

    def takes_averages(self, checkpoints: Checkpoints, label: str) -> bool:
        """Whether a test takes averaged weights: as `--weights` says, or if there are any."""
        if self.opt.weights == "raw":
            return False
        there = checkpoints.has_averages(label, self.translating)
        if self.opt.weights == "ema" and not there:
            checkpoints.weights(label, self.translating[0])  # raises if there is no `label`
            raise UserError(
                f"--weights ema: {checkpoints.folder} has no averaged weights `{label}`; they are "
                "made by train.py --ema PICTURES"
            )
        return there

    def load_networks(self, checkpoints: Checkpoints, label: str, suffix: str = "") -> str:
        """Load the weights `label`; networks for training alone may be missing. Returns a line.

        suffix is that of the files' names.
        """
        fresh = [
            name
            for name in self.networks
            if name not in self.translating and not checkpoints.has_weights(label, name)
        ]
        files = {name: name + suffix for name in self.networks if name not in fresh}
        self.load_named(checkpoints, label, files)
        new = f"fresh optimisers and fresh {', '.join(fresh)}" if fresh else "fresh optimisers"
        return f"starting from the weights `{label}` with {new}"

    def write_update(self, path: Path, update: Update, where: str) -> None:
        """Write an update for `scripts/replay_step.py`. Raises OSError."""
        options = {name: value for name, value in vars(self.opt).items() if name != "typed"}
        write_dump(path, self.state_dict(), update, options, where)

    def lasting_options(self) -> dict:
        """The options that the numbers and the files of a run hang on."""
        return {name: value for name, value in vars(self.opt).items() if name not in OF_A_START}

    def network_states(self) -> dict[str, dict[str, Tensor]]:
        """All weights with the official keys, on the CPU."""
        return {name: to_official(network) for name, network in self.networks.items()}

    def average_states(self) -> dict[str, dict[str, Tensor]]:
        """The averaged weights, likewise; none without `--ema`."""
        averaged = self.averages.networks if self.averages else {}
        return {name: to_official(network) for name, network in averaged.items()}

    def load_average_states(self, states: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Go on with averages; where there are none yet they begin with the networks."""
        if not self.averages:
            return
        self.averages.restart()
        for name, state in states.items():
            network = self.averages.networks[name]
            network.load_state_dict(from_official(dict(state), network))

    def load_network_states(self, states: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Load weights with official keys into the networks of these names."""
        for name, state in states.items():
            network = self.networks[name]
            network.load_state_dict(from_official(dict(state), network))

    def architecture_difference(self, name: str, state: Mapping[str, Tensor]) -> str:
        """The first tensor in which a state differs from network `name`, in words, or ''."""
        network = self.networks[name]
        own = {key: tuple(value.shape) for key, value in network.state_dict().items()}
        given = from_official(dict(state), network)
        for key in [*own, *given]:
            shape = tuple(given[key].shape) if hasattr(given.get(key), "shape") else None
            if shape != own.get(key):
                there, here = (f"of shape {s}" if s else "missing" for s in (shape, own.get(key)))
                return f"{key} is {there} there and {here} here"
        return ""

    def stateful(self) -> dict[str, dict]:
        """What has a state of its own besides the networks, the same in every process."""
        return {
            "optimizers": self.optimizers,
            "schedules": self.schedules,
            "scalers": self.scalers,
        }

    def state_dict(self) -> dict:
        """Everything a step depends on, but for `own_state` and the position in the data."""
        return {
            "networks": self.network_states(),
            "averages": self.average_states(),
            **{
                kind: {n: part.state_dict() for n, part in group.items()}
                for kind, group in self.stateful().items()
            },
        }

    def load_state_dict(self, state: Mapping) -> None:
        self.load_network_states(state["networks"])
        self.load_average_states(state.get("averages", {}))  # none in states before --ema
        for kind, group in self.stateful().items():
            for name, part in group.items():
                if saved := state[kind][name]:  # empty: a scaler that was not in use
                    part.load_state_dict(saved)
        for kind, schedule in self.schedules.items():
            follow_options(schedule, self.rates[kind])

    def own_state(self) -> dict:
        """What else a step depends on, of which every process has its own."""
        return {
            "objective": self.objective.cpu(),
            "pools": {name: pool.state_dict() for name, pool in self.pools.items()},
        }

    def load_own_state(self, state: Mapping) -> None:
        self.objective.copy_(state["objective"])
        for name, pool in self.pools.items():
            pool.load_state_dict(state["pools"][name], self.device)
