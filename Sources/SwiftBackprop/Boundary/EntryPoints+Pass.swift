// swift-format-ignore-file: AlwaysUseLowerCamelCase

// (the names are those of the C contract)
import CBridge

// The explicit pass: forward, backward and step.

@_cdecl("sb_forward")
public func sb_forward(
  _ net: OpaquePointer?, _ x: UnsafePointer<sb_array>?, _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    try engine(net).forward(source(x), by: .matrices, training: false)
  }
}

@_cdecl("sb_in_place")
public func sb_in_place(_ net: OpaquePointer?, _ x: UnsafePointer<sb_array>?) -> Int32 {
  var fits = false
  _ = status(nil) { () throws(EngineError) in fits = try engine(net).canUseInPlace(source(x)) }
  return fits ? 1 : 0
}

@_cdecl("sb_release_input")
public func sb_release_input(_ net: OpaquePointer?) {
  _ = status(nil) { () throws(EngineError) in try engine(net).releaseInput() }
}

@_cdecl("sb_backward")
public func sb_backward(
  _ net: OpaquePointer?, _ y: UnsafePointer<sb_array>?, _ weights: UnsafePointer<sb_array>?,
  _ accumulate: Int32, _ loss: UnsafeMutablePointer<Double>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    let value = try engine(net).backward(
      source(y), weights: optional(weights), accumulate: accumulate != 0, by: .matrices)
    loss?.pointee = value
  }
}

@_cdecl("sb_step")
public func sb_step(_ net: OpaquePointer?, _ error: UnsafeMutablePointer<sb_error>?) -> sb_status {
  status(error) { () throws(EngineError) in try engine(net).step() }
}

// MARK: passes by loops or by vectors

@_cdecl("sb_forward_by")
public func sb_forward_by(
  _ net: OpaquePointer?, _ x: UnsafePointer<sb_array>?, _ method: Int32, _ training: Int32,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    try engine(net).forward(source(x), by: Method(method), training: training != 0)
  }
}

@_cdecl("sb_backward_by")
public func sb_backward_by(
  _ net: OpaquePointer?, _ y: UnsafePointer<sb_array>?, _ weights: UnsafePointer<sb_array>?,
  _ accumulate: Int32, _ method: Int32, _ loss: UnsafeMutablePointer<Double>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    let value = try engine(net).backward(
      source(y), weights: optional(weights), accumulate: accumulate != 0, by: Method(method))
    loss?.pointee = value
  }
}

@_cdecl("sb_forward_from")
public func sb_forward_from(
  _ net: OpaquePointer?, _ first: Int64, _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in try engine(net).forward(from: Int(first)) }
}

// MARK: functions of the caller's

@_cdecl("sb_set_question")
public func sb_set_question(
  _ net: OpaquePointer?, _ question: UnsafeMutablePointer<sb_question>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in try engine(net).questions = question }
}

@_cdecl("sb_drop_question")
public func sb_drop_question(_ question: UnsafeMutablePointer<sb_question>?) {
  guard let question else { return }
  for owner in [question.pointee.x.owner, question.pointee.t.owner, question.pointee.answer.owner] {
    if let owner { Block.release(owner) }
  }
  if let state = question.pointee.state {
    Unmanaged<AnyObject>.fromOpaque(UnsafeRawPointer(state)).release()
  }
  question.pointee = sb_question()
}
