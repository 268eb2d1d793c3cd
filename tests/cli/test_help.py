"""The help: each command has an example that it would take, and each option says what it is."""

import shlex

import pytest
import typer
from typer.testing import CliRunner

from kerastl.cli.examples import EXAMPLES
from kerastl.cli.main import app


def commands(group, prefix=""):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_each_command_has_an_example_and_no_other_has():
    assert set(COMMANDS) == set(EXAMPLES)


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_shown_and_can_be_called(name):
    command = COMMANDS[name]
    shown = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "200"}).output
    for example in EXAMPLES[name]:
        assert example in shown
        words = shlex.split(example)
        assert words[: 1 + len(name.split())] == ["kerastl", *name.split()]
        # Raises where an option is unknown, or an argument is missing.
        command.make_context(name, words[1 + len(name.split()) :])


def test_an_example_that_is_wrong_is_found():
    with pytest.raises(Exception, match="No such option"):
        COMMANDS["verify"].make_context("verify", ["bundle", "--no-such"])


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_and_argument_says_what_it_is(name):
    command = COMMANDS[name]
    assert command.help
    for parameter in command.params:
        said = parameter.help
        assert said, f"{name} {parameter.name}"
        assert said[0].isupper() or said[0] == "'", said
        assert said.rstrip().endswith("."), said


def test_completion_can_be_installed():
    shown = CliRunner().invoke(app, ["--help"]).output
    assert "--install-completion" in shown
    environment = {
        "_KERASTL_COMPLETE": "complete_bash",
        "COMP_WORDS": "kerastl fit image photos --backbone mobilenet_v3_s",
        "COMP_CWORD": "5",
    }
    completed = CliRunner().invoke(app, [], prog_name="kerastl", env=environment).output.split()
    assert completed == ["mobilenet_v3_small", "mobilenet_v3_small_0.5"]
