"""mailmote against real mail and name servers, in a world of its own: python3 tests/world/run.py [-v] [-k PATTERN]"""
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import world  # noqa: E402


def load_tests(loader, _tests, _pattern):
    return loader.discover(str(HERE), "test_*.py", str(HERE))


if __name__ == "__main__":
    world.enter(sys.argv)
    from cases import W
    try:
        W.start()
        done = unittest.main(exit=False).result
    finally:
        W.stop()
    sys.exit(not done.wasSuccessful())
