"""``python -m trust``: hostile calls and files, and faults of the machine.

``fuzz`` makes random calls and damaged files, ``faults`` kills, fills disks, takes memory and
threads away. Both work in processes of their own: one that a signal ends, or that does not come
back, is reported with what runs it again. docs/trust.md says what was found.
"""
