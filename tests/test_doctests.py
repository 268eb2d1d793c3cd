"""The examples in the documentation of the public interface."""

import doctest
import importlib
import pkgutil

import kerastl

# Exporting has tests of its own; the command line's module is a script.
SKIPPED = ("kerastl.export", "kerastl.bundles", "kerastl.cli")


def test_examples_run_offline():
    attempted = {}
    for module in pkgutil.walk_packages(kerastl.__path__, "kerastl."):
        if not module.name.startswith(SKIPPED):
            result = doctest.testmod(importlib.import_module(module.name))
            assert result.failed == 0, module.name
            attempted[module.name] = result.attempted
    assert attempted["kerastl.recipes.image_classification"] >= 3
    assert attempted["kerastl.backbones.freezing"] >= 4
