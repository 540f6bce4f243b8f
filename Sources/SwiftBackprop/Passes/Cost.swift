// The end of the network: C, and the gradient that the way back begins with.

extension Network {
  /// grad_a(L) from the loss and, of its canonical output, grad_z(L), or grad_u(L), = wₙ/Σw·(a − t), from
  /// t [N, D(L)] and the row scales wₙ/Σw [N].
  func lossGradient(_ tape: Tape<T>, _ targets: TargetMemory<T>, _ rows: Range<Int>) {
    let m = layout.layers
    let cols = layout.sizes[m]
    let (a, t) = (place(tape.a, m, rows), targets.t + rows.lowerBound * cols)
    let (gradZ, gradA) = (place(tape.gradZ, m, rows), place(tape.gradA, m, rows))
    let scale = targets.scale + rows.lowerBound
    let isFused = isFused(tape)
    if gradA != gradZ || !isFused { loss.gradient(a, t, scale, gradA, rows.count, cols) }
    if isFused { fusedGradient(a, t, scale, gradZ, rows.count, cols) }
  }

  /// Whether loss and output activation are taken together: not if dropout stands between.
  func isFused(_ tape: Tape<T>) -> Bool {
    guard isFused, let masks = tape.masks else { return isFused }
    return masks.rates[layout.layers - 1] == 0
  }

  /// Cₙ of some rows after their forward pass.
  func costs(_ tape: Tape<T>, _ targets: TargetMemory<T>, _ rows: Range<Int>) {
    if loss.isExternal { return }
    let m = layout.layers
    let cols = layout.sizes[m]
    let start = rows.lowerBound * cols
    let (a, t) = (tape.a[m - 1] + start, targets.t + start)
    let z = (tape.norms?.layer(m)?.between ?? tape.z[m - 1]) + start
    let cost = targets.cost + rows.lowerBound
    if isFused(tape), let costFused = loss.costFused {
      costFused(z, a, t, cost, rows.count, cols)
    } else {
      loss.cost(a, t, cost, rows.count, cols)
    }
  }

  /// C = Σ scale[n]·Cₙ of some rows, always in the same order.
  @inline(never)
  func cost(_ targets: TargetMemory<T>, _ rows: Range<Int>) -> Double {
    var sum = 0.0
    for n in rows { sum += Double(targets.scale[n]) * Double(targets.cost[n]) }
    return sum
  }
}
