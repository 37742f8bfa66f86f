"""Brings the whole system up on this machine, from template.yaml, for people and for tests.

    python -m tests.stack run      the stack at http://localhost:8000, its data kept in .local/run
    python -m tests.stack watch    the same with `cargo lambda watch` behind it
    python -m tests.stack exec -- <command>
                                   a fresh stack on free ports for one command, which finds it through STACK_FILE

Read in this order: stack.py (what happens), build.py, emulator.py, deploy.py, adjustments.py, proxy.py.
"""
