"""Chains of PyTorch's modules taken apart, and what stands in the way of that."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any

from swiftbackprop._export.torch import nn


def parts_of(
    module: Any, known: Container[type], where: str = "module"
) -> Iterator[tuple[str, Any]]:
    """Yield the modules in a chain and how they are found; `known` are those taken as they are."""
    if not isinstance(module, nn.Module):
        state = isinstance(module, Mapping)
        hint = ": make the Network and call net.load_state_dict(state)" if state else ""
        kind = type(module).__name__
        raise TypeError(f"{where}: expected a torch.nn.Module, got {kind}{hint}")
    _check_wrapping(module, where)
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        for name, part in module._modules.items():  # named_children drops what comes twice
            place = f"{where}[{name}]" if name.isdigit() else f"{where}.{name}"
            yield from parts_of(part, known, place)
    elif type(module) not in known and any(True for _ in module.children()):
        raise ValueError(_own_forward(module, where))
    else:
        yield where, module


def _check_wrapping(module: Any, where: str) -> None:
    """Raise if something stands around a module or in its way, and say how to take it away."""
    kind = type(module).__name__
    if isinstance(module, nn.modules.lazy.LazyModuleMixin) and module.has_uninitialized_params():
        raise ValueError(
            f"{where}, {kind}, has not seen its inputs yet: call the whole module once, "
            "with rows as in module(torch.zeros(1, D0)), and it is an ordinary one"
        )
    for name in ("module", "_orig_mod"):  # DataParallel, averaged models; torch.compile
        if type(module).__module__.startswith("torch.") and name in module._modules:
            raise ValueError(f"{where}, {kind}, stands around the module: pass {where}.{name}")
    if nn.utils.parametrize.is_parametrized(module):
        name = next(iter(module.parametrizations))
        raise ValueError(
            f"{where} computes its {name} by a parametrization, as weight_norm is one: "
            f"torch.nn.utils.parametrize.remove_parametrizations({where}, {name!r}) leaves the "
            "numbers that it has now"
        )
    for hook in (*module._forward_pre_hooks.values(), *module._forward_hooks.values()):
        raise ValueError(f"{where} has hooks, which may do anything: {_removal(hook, where)}")


def _removal(hook: Any, where: str) -> str:
    """Return how a hook is removed."""
    kind, name = type(hook), getattr(hook, "name", None) or getattr(hook, "_tensor_name", None)
    if kind.__module__ == "torch.nn.utils.prune":
        return f"this one prunes; torch.nn.utils.prune.remove({where}, {name!r}) makes it lasting"
    if kind.__module__ in ("torch.nn.utils.weight_norm", "torch.nn.utils.spectral_norm"):
        old = kind.__module__.rpartition(".")[2]
        return f"this one is {old}'s; torch.nn.utils.remove_{old}({where}, {name!r}) removes it"
    return "remove them first, with the handle's remove()"


def _own_forward(module: Any, where: str) -> str:
    """Return a sentence for a module whose forward is its own: how to write it as a chain."""
    chain: list[str] = []
    kinds: list[Any] = []
    for name, part in module.named_children():
        # Most such forwards apply functions, which are no modules and are not seen here.
        if kinds and kinds[-1] is nn.Linear and type(part) is nn.Linear:
            chain.append("nn.ReLU()")
        chain.append(f"{where}[{name}]" if name.isdigit() else f"{where}.{name}")
        kinds.append(type(part))
    return (
        f"{where}, {type(module).__name__}, has a forward of its own, which may do anything: give "
        "its parts as a chain in the order of its forward, as in "
        f"nn.Sequential({', '.join(chain)}), with the activations that it applies"
    )
