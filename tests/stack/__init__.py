"""Runs the whole system on this machine, deployed from template.yaml, for development and for tests.

    python -m tests.stack run      the stack at http://localhost:8000; its data is kept in .local/run
    python -m tests.stack watch    the same; a request after a change waits until it is compiled
    python -m tests.stack exec -- <command>
                                   a fresh stack on free ports for one command, described by the file STACK_FILE

Read in this order: stack.py (what happens), build.py, emulator.py, deploy.py, adjustments.py, proxy.py,
sources.py.
"""
