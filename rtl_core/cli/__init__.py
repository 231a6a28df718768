"""The command line: `python -m rtl_core VERB`. Settings are drawn from `rtl_core.config`."""

from __future__ import annotations

import sys

import typer

from rtl_core import expected_warnings
from rtl_core.cli import attribution, audits, benchmark, diagnosis, grow, masks, report, routing, training
from rtl_core.errors import BadInput, system_sentence
from rtl_core.events import Stopped

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
for verbs in (training, masks, routing, attribution, audits, diagnosis, grow, report, benchmark):
    app.add_typer(verbs.app)


def main() -> None:
    """Runs a verb; exit code 0 for success, 2 for bad input in one line, 1 for a failure of ours."""
    expected_warnings.hide()
    try:
        app(standalone_mode=False)
    except BadInput as error:
        _fail(str(error))
    except OSError as error:
        _fail(system_sentence(error))
    except Stopped as stopped:
        print(f"{stopped}; go on with: python -m rtl_core train --resume RUN", file=sys.stderr)
    except typer.Exit as exit_:
        raise SystemExit(exit_.exit_code) from None
    except KeyboardInterrupt:
        print("stopped; go on with: python -m rtl_core train --resume RUN", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception as error:
        if type(error).__module__.startswith(("click", "typer")):  # a verb, an option or a value it does not know
            message = error.format_message() if hasattr(error, "format_message") else str(error)
            _fail(message or "no verb given; `python -m rtl_core --help` lists them")
        raise


def _fail(sentence: str) -> None:
    print(f"error: {' '.join(sentence.split())}", file=sys.stderr)
    raise SystemExit(2) from None
