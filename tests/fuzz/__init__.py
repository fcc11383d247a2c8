"""A bounded fuzzer for every decoder of untrusted bytes: `python -m tests.fuzz --seconds 120`.

Seeded mutations of genuine specimens. A target may raise its named errors and nothing else, answers within a second,
and holds on to no memory. What once broke a target is kept in `regressions/` and is run first, and by the plain tests.
"""
