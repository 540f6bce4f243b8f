// swift-format-ignore-file: AlwaysUseLowerCamelCase

// (the names are those of the C contract)
import CBridge

// Derivatives to study.

/// Runs `body` with the caller's iterator, which moves on also when it fails. Derivatives are those
/// of the network itself: no factor is rounded.
private func iterating(
  _ net: OpaquePointer?, _ blocks: UnsafeMutablePointer<sb_block_iterator>?,
  _ error: UnsafeMutablePointer<sb_error>?,
  _ body: (any Engine, inout BlockIterator) throws(EngineError) -> Void
) -> sb_status {
  status(error) { () throws(EngineError) in
    let engine = try engine(net)
    guard let blocks else { throw .value("the iterator is missing") }
    engine.roundsFactors = false
    defer { engine.roundsFactors = true }
    var steps = BlockIterator(from: Int(blocks.pointee.next), for: blocks.pointee.max_ns)
    defer { blocks.pointee.next = Int64(steps.next) }
    try body(engine, &steps)
  }
}

@_cdecl("sb_layer_size")
public func sb_layer_size(_ net: OpaquePointer?, _ m: Int64) -> Int64 {
  var size: Int64 = 0
  _ = status(nil) { () throws(EngineError) in
    let sizes = try engine(net).layout.sizes
    if m >= 0, m < sizes.count { size = Int64(sizes[Int(m)]) }
  }
  return size
}

@_cdecl("sb_jacobian")
public func sb_jacobian(
  _ net: OpaquePointer?, _ x: UnsafePointer<sb_array>?, _ of: Int32, _ wrt: Int32, _ m: Int64,
  _ out: UnsafeMutableRawPointer?, _ blocks: UnsafeMutablePointer<sb_block_iterator>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  iterating(net, blocks, error) { (engine, blocks) throws(EngineError) in
    let task = try JacobianTask(
      of: LayerQuantity(of), wrt: LayerQuantity(wrt), m: Int(m), layers: engine.layout.layers)
    guard let out else { throw missingResult }
    try engine.jacobian(source(x), task, into: out, &blocks)
  }
}

@_cdecl("sb_input_gradient")
public func sb_input_gradient(
  _ net: OpaquePointer?, _ x: UnsafePointer<sb_array>?, _ y: UnsafePointer<sb_array>?,
  _ weights: UnsafePointer<sb_array>?, _ perExample: Int32, _ out: UnsafeMutableRawPointer?,
  _ blocks: UnsafeMutablePointer<sb_block_iterator>?, _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  iterating(net, blocks, error) { (engine, blocks) throws(EngineError) in
    guard let out else { throw missingResult }
    try engine.inputGradient(
      source(x), source(y), weights: perExample != 0 ? nil : optional(weights),
      perExample: perExample != 0, into: out, &blocks)
  }
}

@_cdecl("sb_gradient_norms")
public func sb_gradient_norms(
  _ net: OpaquePointer?, _ x: UnsafePointer<sb_array>?, _ y: UnsafePointer<sb_array>?,
  _ perLayer: Int32, _ out: UnsafeMutableRawPointer?,
  _ blocks: UnsafeMutablePointer<sb_block_iterator>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  iterating(net, blocks, error) { (engine, blocks) throws(EngineError) in
    guard let out else { throw missingResult }
    try engine.gradientNorms(
      source(x), source(y), perLayer: perLayer != 0, into: out, &blocks)
  }
}

@_cdecl("sb_hvp")
public func sb_hvp(
  _ net: OpaquePointer?, _ x: UnsafePointer<sb_array>?, _ y: UnsafePointer<sb_array>?,
  _ weights: UnsafePointer<sb_array>?, _ v: UnsafePointer<sb_array>?,
  _ out: UnsafeMutableRawPointer?, _ blocks: UnsafeMutablePointer<sb_block_iterator>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  iterating(net, blocks, error) { (engine, blocks) throws(EngineError) in
    guard let out else { throw missingResult }
    try engine.hessianProduct(
      source(x), source(y), weights: optional(weights), source(v), into: out, &blocks)
  }
}
