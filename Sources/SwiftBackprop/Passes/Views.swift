import CBridge

// Looking inside: the quantities of a network as memory that the outside may hold.

extension Network {
  /// Quantity `what` of layer m as memory that outlives the network.
  func view(_ what: Int32, _ m: Int) throws(EngineError) -> sb_view {
    let flat = { (storage: Storage<T>, start: Int, count: Int) in
      makeView(storage.block, storage.base + start, [count])
    }
    switch what {
    case SB_PARAMETERS: return flat(parameters, 0, layout.parameterCount)
    case SB_GRADIENTS: return flat(gradients, 0, layout.parameterCount)
    case SB_SLOT:
      guard m >= 0, m < slots.count else { throw EngineError.noOption }
      return flat(slots[m], 0, layout.parameterCount)
    case SB_GRAD_A where m == 0: return try inputGradientView()
    default: break
    }
    guard m >= 1, m <= layout.layers else {
      throw .value("there is no layer \(m); layers are numbered 1..\(layout.layers)")
    }
    let (rows, cols) = (layout.sizes[m], layout.sizes[m - 1])
    let storage = what == SB_W || what == SB_B ? parameters : gradients
    switch what {
    case SB_W, SB_GRAD_W:
      // W lies transposed in memory: the rows of the view are one element apart.
      return makeView(storage.block, storage.base + layout.weights(m), [rows, cols], apart: 1)
    case SB_B, SB_GRAD_B: return flat(storage, layout.bias(m), rows)
    case SB_Z, SB_A:
      guard let pass else { throw .order("call forward first") }
      let start = what == SB_Z ? pass.forward.z[m - 1] : pass.forward.a[m - 1]
      return makeView(pass.forward.block, start, [pass.rows, rows], readonly: true)
    case SB_MASK: return try maskView(m)
    case SB_GAMMA...SB_RUNNING_VAR: return try normView(what, m)
    case SB_U: return try betweenView(m)
    case SB_GRAD_Z, SB_GRAD_A:
      let quantities = try gradientQuantities()
      let start = what == SB_GRAD_Z ? quantities.z[m - 1] : quantities.a[m - 1]
      return makeView(quantities.block, start, [quantities.rows, rows], readonly: true)
    default: throw EngineError.noOption
    }
  }

  private func gradientQuantities() throws(EngineError) -> ActivationBuffers<T> {
    guard let pass else { throw .order("call forward and backward first") }
    guard let quantities = pass.backward, pass.state != .forward else {
      throw .order("call backward first")
    }
    return quantities
  }

  /// grad_a(0) = grad_z(1) W(1) [N, D(0)]; a product that training never needs, so it is made
  /// when asked for, from the W(1) of that moment.
  private func inputGradientView() throws(EngineError) -> sb_view {
    let quantities = try gradientQuantities()
    let shape = [quantities.rows, layout.sizes[0]]
    if let ready = pass?.inputGradient {
      return makeView(ready.block, ready.base, shape, readonly: true)
    }
    guard pass?.state == .backward else {
      throw .order(
        "grad_a of layer 0 is made when asked for, and W of layer 1 has changed since "
          + "backward: read it before step")
    }
    let (count, overflow) = shape[0].multipliedReportingOverflow(by: shape[1])
    guard !overflow else { throw .memory(bytes: Int.max) }
    let storage = try Storage<T>(count: count)
    let gradZ = Matrix(UnsafePointer(quantities.z[0]), shape[0], layout.sizes[1])
    _ = sb_enter_blas()
    defer { sb_leave_blas() }
    multiply(
      gradZ, weights(1).transpose, into: storage.base, in: precision(1, rows: shape[0]))
    pass?.inputGradient = storage
    return makeView(storage.block, storage.base, shape, readonly: true)
  }
}

/// A view of `shape` on memory in `block`; dense rows unless `apart` gives the elements
/// between rows (then the columns are `shape[0]` apart).
func makeView<T: Scalar>(
  _ block: Block, _ start: UnsafeMutablePointer<T>, _ shape: [Int], apart: Int? = nil,
  readonly: Bool = false
) -> sb_view {
  let size = Int64(MemoryLayout<T>.stride)
  var view = sb_view()
  view.data = UnsafeMutableRawPointer(start)
  view.ndim = Int32(shape.count)
  view.shape.0 = Int64(shape[0])
  view.strides.0 = size
  if shape.count == 2 {
    view.shape.1 = Int64(shape[1])
    view.strides.0 = size * Int64(apart ?? shape[1])
    view.strides.1 = size * Int64(apart == nil ? 1 : shape[0])
  }
  view.dtype = T.dtype
  view.readonly = readonly ? 1 : 0
  view.owner = block.hold()
  return view
}
