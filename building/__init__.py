"""How the engine is built and what a wheel holds: used by setup.py, play/build.py and make."""
