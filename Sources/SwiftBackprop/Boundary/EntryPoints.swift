// swift-format-ignore-file: AlwaysUseLowerCamelCase

// (the names are those of the C contract)
import CBridge

// The door: every @_cdecl function of swift_backprop.h, documented there. Here opaque handles
// become objects, thrown errors become statuses, and nothing else happens. The functions stand
// in EntryPoints+*.swift, what these share is here.

/// The object behind an `sb_net`.
final class NetHandle {
  let engine: any Engine
  init(_ engine: any Engine) { self.engine = engine }
}

func handle(_ object: AnyObject) -> OpaquePointer {
  OpaquePointer(Unmanaged.passRetained(object).toOpaque())
}

func engine(_ net: OpaquePointer?) throws(EngineError) -> any Engine {
  guard let net else { throw .order("there is no network: call sb_create_net first") }
  return Unmanaged<NetHandle>.fromOpaque(UnsafeRawPointer(net)).takeUnretainedValue().engine
}

func source(_ array: UnsafePointer<sb_array>?) throws(EngineError) -> Source {
  guard let array else { throw .value("an array is missing") }
  return try Source(array.pointee)
}

var missingResult: EngineError { .value("the place for the result is missing") }

/// Runs `body`; an error goes to the caller's struct, its status is returned.
@inline(__always)
func status(
  _ error: UnsafeMutablePointer<sb_error>?, _ body: () throws(EngineError) -> Void
) -> sb_status {
  do {
    try body()
    return SB_OK
  } catch {
    return failed(error)
  }
  func failed(_ thrown: EngineError) -> sb_status {
    thrown.write(to: error)
    return thrown.status
  }
}

// MARK: BLAS and versions

@_cdecl("sb_set_blas")
public func sb_set_blas(_ blas: UnsafePointer<sb_blas>?, _ error: UnsafeMutablePointer<sb_error>?)
  -> sb_status
{
  status(error) { () throws(EngineError) in
    guard let blas else { throw .value("the BLAS table is missing") }
    try BLAS.install(blas.pointee)
  }
}

@_cdecl("sb_has_blas")
public func sb_has_blas() -> Int32 { BLAS.isInstalled ? 1 : 0 }

@_cdecl("sb_abi_version")
public func sb_abi_version() -> Int32 { SB_ABI_VERSION }

@_cdecl("sb_cpu_level")
public func sb_cpu_level() -> Int32 { sb_supported_level() }

@_cdecl("sb_engine_level")
public func sb_engine_level() -> Int32 { sb_compiled_level() }
