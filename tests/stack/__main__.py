"""The command line."""

import argparse
import os
import sys

from . import emulator, processes, stack
from .console import Failure


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stack", description="The whole system on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, description in [("run", "serve the deployed functions"), ("watch", "the same, compiled anew after each change")]:
        command = commands.add_parser(name, help=description)
        command.add_argument("--port", default="8000", help="port of the base URL; the one above it is used too")
    command = commands.add_parser("exec", help="run a command against a fresh stack")
    command.add_argument("--name", default="test", help="the name of the stack, if several are used at the same time")
    command.add_argument("--set", action="append", default=[], type=_setting, metavar="PARAMETER=VALUE", help="overrides a parameter of the template")
    command.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- command")
    command = commands.add_parser("invoke", help="invoke a function of the running stack alone")
    command.add_argument("function", help="its name, such as accounts")
    command.add_argument("--event", help="the event, instead of the sample in events/")
    command.add_argument("--token", help="the access token of the request")
    command = commands.add_parser("admin", help="create the first admin of the running stack")
    command.add_argument("email", help="the admin's address")
    command = commands.add_parser("recover-admin", help="recover the only admin of the running stack, who has lost the second factor")
    command.add_argument("email", help="the admin's address")
    command.add_argument("reason", help="why, for the audit trail")
    commands.add_parser("reconcile", help="let the running stack repair what was lost")
    commands.add_parser("clean", help="delete the data of the stack")
    arguments = parser.parse_args()

    processes.stop_on_signals()
    processes.never_proxy_loopback()
    try:
        match arguments.command:
            case "run":
                return stack.run(emulator.base_port(arguments.port))
            case "watch":
                return stack.watch(emulator.base_port(arguments.port))
            case "exec":
                argv = arguments.argv[1:] if arguments.argv[:1] == ["--"] else arguments.argv
                return stack.execute(argv, arguments.name, dict(arguments.set))
            case "invoke":
                return stack.invoke(arguments.function, arguments.event, arguments.token)
            case "admin":
                return stack.create_admin(arguments.email)
            case "recover-admin":
                return stack.recover_admin(arguments.email, arguments.reason)
            case "reconcile":
                return stack.reconcile()
            case "clean":
                return stack.clean()
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    except PermissionError as failure:
        print(f"error: {failure.filename} cannot be written: give it to yourself with `sudo chown -R` and try again", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader, such as `head`, has enough. What is left is not written when Python ends, either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except processes.Stopped as stopped:
        return stopped.code


def _setting(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text} must have the form PARAMETER=VALUE")
    return name, value


sys.exit(main())
