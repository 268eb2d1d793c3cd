"""An example or two for the help of each command."""

from __future__ import annotations

import typer

EXAMPLES: dict[str, tuple[str, ...]] = {
    "fit image": (
        "kerastl fit image photos --backbone mobilenet_v2 --image-size 160 --out run",
        "kerastl fit image photos --out run --resume",
        "kerastl fit image photos --find-learning-rate",
    ),
    "fit text": (
        "kerastl fit text reviews.csv --out run",
        "kerastl fit text tickets.tsv --text-column body --label-column queue --out run",
    ),
    "fit embedding": ("kerastl fit embedding questions.csv --dimensions 128 --out run",),
    "fit image-embedding": ("kerastl fit image-embedding photos --epochs 10 --out run",),
    "fit custom": ("kerastl fit custom data.csv --recipe mine.py:recipe --out run",),
    "evaluate": (
        "kerastl evaluate run photos/test",
        "kerastl evaluate run photos --split test",
    ),
    "predict": (
        "kerastl predict run new.jpg other.jpg",
        "kerastl predict run photos --out answers.csv --top-k 3",
        'kerastl predict bundle "A warm and funny film."',
    ),
    "compare": ("kerastl compare run other-run photos --split test",),
    "report": (
        "kerastl report run",
        "kerastl report run photos --split test --bundle bundle --out report.html",
    ),
    "export": (
        "kerastl export run --out bundle",
        "kerastl export run --out bundle --format litert --quantize float16,int8",
    ),
    "verify": ("kerastl verify bundle",),
    "benchmark": ("kerastl benchmark bundle --data photos/test --threads 1",),
    "backbones": ("kerastl backbones --modality text",),
    "cache list": ("kerastl cache list",),
    "cache clear": ("kerastl cache clear",),
}


def add_examples(app: typer.Typer, prefix: str = "") -> None:
    """Puts the examples at the end of the help of each command of an app."""
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "").replace("_", "-")
        lines = EXAMPLES.get(f"{prefix}{name}", ())
        if lines:
            # Typer joins lines unless there is an empty one between them.
            command.epilog = "\n\n".join(("Example:" if len(lines) == 1 else "Examples:", *lines))
    for group in app.registered_groups:
        if group.typer_instance is not None:
            add_examples(group.typer_instance, f"{prefix}{group.name} ")
