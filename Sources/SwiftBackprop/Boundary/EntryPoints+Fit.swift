// swift-format-ignore-file: AlwaysUseLowerCamelCase

// (the names are those of the C contract)
import CBridge

// Training.

/// The object behind an `sb_fit`.
private final class FitHandle {
  let session: any FitSession
  init(_ session: any FitSession) { self.session = session }
}

@_cdecl("sb_fit_begin")
public func sb_fit_begin(
  _ net: OpaquePointer?, _ config: UnsafePointer<sb_fit_config>?,
  _ fit: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let config, let fit else { throw .value("the configuration is missing") }
    fit.pointee = handle(FitHandle(try engine(net).fit(config.pointee)))
  }
}

private func fitSession(_ fit: OpaquePointer?) throws(EngineError) -> any FitSession {
  guard let fit else { throw .order("there is no training session: begin one first") }
  return Unmanaged<FitHandle>.fromOpaque(UnsafeRawPointer(fit)).takeUnretainedValue().session
}

@_cdecl("sb_fit_run")
public func sb_fit_run(
  _ fit: OpaquePointer?, _ maxNanoseconds: Int64, _ progress: UnsafeMutablePointer<sb_progress>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let progress else { throw missingResult }
    let session = try fitSession(fit)
    try session.run(for: maxNanoseconds)
    progress.pointee = session.progress
  }
}

@_cdecl("sb_fit_set_rates")
public func sb_fit_set_rates(
  _ fit: OpaquePointer?, _ rates: UnsafePointer<Double>?, _ count: Int64,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    let session = try fitSession(fit)
    guard count >= 0, count <= session.progress.batches, rates != nil || count == 0 else {
      throw .value("there is a learning rate for each batch of an epoch at most")
    }
    session.rates = Array(UnsafeBufferPointer(start: rates, count: Int(count)))
  }
}

@_cdecl("sb_fit_set_outputs")
public func sb_fit_set_outputs(
  _ fit: OpaquePointer?, _ outputs: UnsafeMutableRawPointer?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in try fitSession(fit).outputs = outputs }
}

@_cdecl("sb_fit_epoch")
public func sb_fit_epoch(
  _ fit: OpaquePointer?, _ epoch: Int64, _ record: UnsafeMutablePointer<sb_epoch>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let record else { throw missingResult }
    record.pointee = try fitSession(fit).record(Int(epoch))
  }
}

@_cdecl("sb_fit_end")
public func sb_fit_end(_ fit: OpaquePointer?) {
  guard let fit else { return }
  let handle = Unmanaged<FitHandle>.fromOpaque(UnsafeRawPointer(fit))
  handle.takeUnretainedValue().session.settle()
  handle.release()
}
