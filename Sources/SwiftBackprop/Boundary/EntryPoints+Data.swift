// swift-format-ignore-file: AlwaysUseLowerCamelCase

// (the names are those of the C contract)
import CBridge

// Whole data sets: predictions and evaluations.

/// The object behind an `sb_evaluation`.
private final class EvaluationHandle {
  let session: any EvaluationSession
  init(_ session: any EvaluationSession) { self.session = session }
}

@_cdecl("sb_new_matrix")
public func sb_new_matrix(
  _ dtype: Int32, _ rows: Int64, _ cols: Int64, _ view: UnsafeMutablePointer<sb_view>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let view, rows >= 0, cols >= 0 else { throw .value("the view is missing") }
    let (count, overflow) = Int(rows).multipliedReportingOverflow(by: Int(cols))
    guard !overflow else { throw .memory(bytes: Int.max) }
    try checkScalar(dtype)
    if dtype == SB_FLOAT32 {
      let storage = try Storage<Float>(count: count)
      view.pointee = makeView(storage.block, storage.base, [Int(rows), Int(cols)])
    } else {
      let storage = try Storage<Double>(count: count)
      view.pointee = makeView(storage.block, storage.base, [Int(rows), Int(cols)])
    }
  }
}

@_cdecl("sb_predict")
public func sb_predict(
  _ net: OpaquePointer?, _ x: UnsafePointer<sb_array>?, _ first: Int64, _ last: Int64,
  _ out: UnsafeMutableRawPointer?, _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let out, first >= 0, first <= last else { throw .value("no rows to predict") }
    try engine(net).predict(source(x), Int(first)..<Int(last), into: out)
  }
}

@_cdecl("sb_block_rows")
public func sb_block_rows(_ net: OpaquePointer?) -> Int64 {
  var rows: Int64 = 1
  _ = status(nil) { () throws(EngineError) in
    let engine = try engine(net)
    // 10 ms at a cautious 10 GFLOP/s, in whole blocks.
    let blocks = Swift.min(1e8 / (engine.workPerRow * Double(engine.blockRows)), 1e6)
    rows = Int64(engine.blockRows) * Swift.max(1, Int64(blocks))
  }
  return rows
}

@_cdecl("sb_evaluation_begin")
public func sb_evaluation_begin(
  _ net: OpaquePointer?, _ x: UnsafePointer<sb_array>?, _ y: UnsafePointer<sb_array>?,
  _ weights: UnsafePointer<sb_array>?, _ evaluation: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let evaluation else { throw missingResult }
    let session = try engine(net).evaluation(
      x: source(x), y: source(y), weights: optional(weights))
    evaluation.pointee = handle(EvaluationHandle(session))
  }
}

private func evaluationSession(_ evaluation: OpaquePointer?) throws(EngineError)
  -> any EvaluationSession
{
  guard let evaluation else { throw .order("there is no evaluation: begin one first") }
  return Unmanaged<EvaluationHandle>.fromOpaque(UnsafeRawPointer(evaluation))
    .takeUnretainedValue().session
}

@_cdecl("sb_evaluation_set_outputs")
public func sb_evaluation_set_outputs(
  _ evaluation: OpaquePointer?, _ outputs: UnsafeMutableRawPointer?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in try evaluationSession(evaluation).outputs = outputs }
}

@_cdecl("sb_evaluation_run")
public func sb_evaluation_run(
  _ evaluation: OpaquePointer?, _ maxNanoseconds: Int64, _ done: UnsafeMutablePointer<Int32>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let done else { throw missingResult }
    done.pointee = try evaluationSession(evaluation).run(for: maxNanoseconds) ? 1 : 0
  }
}

@_cdecl("sb_evaluation_result")
public func sb_evaluation_result(
  _ evaluation: OpaquePointer?, _ metrics: UnsafeMutablePointer<sb_metrics>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let metrics else { throw missingResult }
    metrics.pointee = try evaluationSession(evaluation).metrics()
  }
}

@_cdecl("sb_evaluation_end")
public func sb_evaluation_end(_ evaluation: OpaquePointer?) {
  guard let evaluation else { return }
  Unmanaged<EvaluationHandle>.fromOpaque(UnsafeRawPointer(evaluation)).release()
}
