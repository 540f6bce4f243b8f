"""Benchmarks: swiftbackprop beside its peers and the limits of the machine.

``python -m benchmarks`` measures, prints tables and can write JSON and a plot; ``--help``
lists the options. How it measures:

- Every contender has a process of its own, and only one of them works at a time. The parent
  asks each in turn to time a slice of the same task (A B A B ...), for several rounds; a slice
  begins with untimed steps, in which the threads of the one before go to sleep. Times are
  medians over the rounds, ratios are medians of the ratios within a round.
- All train the same network from the same weights on the same data, minibatches of a NumPy
  array that was shuffled beforehand. After the first steps everybody's weights must have gone
  the same way: a contender that computes something else is marked.
- All get the same number of threads and their free choice of kernels: variables that hold
  OpenBLAS back are removed from the environment.
- Who is not installed is left out, and a line says so. PyTorch's build for CPUs is enough:
  ``PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make bench`` saves gigabytes.
- The race counts training alone, epoch by epoch; how many epochs it takes is luck, so that it is
  run several times.
- What is out of line with expected.json, and a width that looks like a cliff, is measured again
  before it is reported.
- The floor is the matrix products of a step alone, called from C with the BLAS that
  swiftbackprop loads. The peak is what a loop of fused multiply-adds reaches; those of the units
  for bfloat16 are found likewise where the CPU has them.
- Modes that round to bfloat16 are sections of their own, on demand, with workers of their own.
"""
